"""What a caller of one of our servers learns when something goes wrong (I10): real servers, real clients, each way to call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.http2.link import open_link
from libs.http2.services import Services
from libs.rpc.caller import decode_caller
from libs.rpc.client import call, open_channel, parts_of
from libs.rpc.errors import (
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    TertuliaError,
    Unavailable,
)
from libs.rpc.server import new_server, served

REFUSAL = ResourceExhausted(
    "kein Grüßgott: 100 % verloren",
    error_pb2.ERROR_REASON_LIMIT_REACHED,
    metadata={"a": "b"},
    retry_after_ms=1_500,
    field_violations=[FieldViolation("queries[0]", "is one too many")],
)
PATH = "/tertulia_internal.message_store.v1.LogService/"


class Faulty(log_pb2_grpc.LogServiceServicer):
    """Each of its methods fails in another way."""

    def __init__(self) -> None:
        self.given_up = asyncio.Event()

    async def Append(self, request: log_pb2.AppendRequest, context: object) -> log_pb2.AppendResponse:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.given_up.set()
        return log_pb2.AppendResponse()

    async def Changes(self, request: log_pb2.ChangesRequest, context: object) -> log_pb2.ChangesResponse:
        raise NotImplementedError

    async def MentionCounts(
        self,
        request: log_pb2.MentionCountsRequest,
        context: object,
    ) -> log_pb2.MentionCountsResponse:
        raise REFUSAL

    async def Read(self, request: log_pb2.ReadRequest, context: object) -> log_pb2.ReadResponse:
        raise ValueError("the password is hunter2")

    async def Heads(
        self,
        request: log_pb2.HeadsRequest,
        context: grpc.aio.ServicerContext[log_pb2.HeadsRequest, log_pb2.HeadsResponse],
    ) -> log_pb2.HeadsResponse:
        decode_caller(context.invocation_metadata() or ())
        return log_pb2.HeadsResponse()

    async def Counts(
        self,
        request: log_pb2.CountsRequest,
        context: grpc.aio.ServicerContext[log_pb2.CountsRequest, log_pb2.CountsResponse],
    ) -> log_pb2.CountsResponse:
        status = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="no such moon")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason="MOON_NOT_FOUND", domain="tertulia"))
        await context.abort_with_status(rpc_status.to_status(status))


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()


@pytest.fixture(params=["grpcio", "libs.http2", "a link"])
async def channel(request: pytest.FixtureRequest, tmp_path: Path, faulty: Faulty) -> AsyncIterator[grpc.aio.Channel]:
    address = f"unix:{tmp_path}/server"
    served_by = grpcio_serves(faulty, address) if request.param == "grpcio" else we_serve(faulty, address)
    connected = open_link(address) if request.param == "a link" else open_channel(address)
    async with served_by, connected as channel:
        yield channel


def grpcio_serves(faulty: Faulty, address: str) -> AbstractAsyncContextManager[str]:
    server = new_server(CollectorRegistry())
    log_pb2_grpc.add_LogServiceServicer_to_server(faulty, server)
    return served(server, address, [], 0)


def we_serve(faulty: Faulty, address: str) -> AbstractAsyncContextManager[str]:
    services = Services(CollectorRegistry())
    log_pb2_grpc.add_LogServiceServicer_to_server(faulty, services)  # type: ignore[arg-type] # it has what is used
    return services.served(address, [], 0)


async def failure(channel: grpc.aio.Channel, method: str, request: bytes = b"") -> TertuliaError:
    raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PATH + method, bytes, bytes)
    with pytest.raises(TertuliaError) as raised:
        await call(raw, request)
    return raised.value


@pytest.mark.parametrize("method", ["Read", "Heads"])
async def test_a_fault_of_ours_is_logged_and_shows_only_a_correlation_id(
    channel: grpc.aio.Channel, method: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        error = await failure(channel, method)
    assert isinstance(error, Internal)
    assert str(error) == f"the server failed; quote {error.metadata['correlation_id']} to its operator"
    assert [entry["event"] for entry in logs] == ["call_failed"]
    assert isinstance(logs[0]["exc_info"], Exception)


async def test_a_request_that_cannot_be_parsed_is_the_callers_mistake(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "Read", b"\xff\xff\xff")
    assert isinstance(error, InvalidArgument)
    assert error.reason == error_pb2.ERROR_REASON_FRAME_INVALID
    assert str(error) == "the request cannot be parsed"


@pytest.mark.parametrize("channel", ["grpcio"], indirect=True)
async def test_the_reason_of_a_newer_version_is_passed_over_and_the_code_stays(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "Counts")
    assert isinstance(error, NotFound)
    assert str(error) == "no such moon"


async def test_a_refusal_arrives_with_all_that_it_says(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "MentionCounts")
    assert isinstance(error, ResourceExhausted)
    assert vars(error) == vars(REFUSAL)


async def test_a_method_that_a_service_does_not_have_yet_is_to_be_tried_again(channel: grpc.aio.Channel) -> None:
    """Its client's client knows nothing of our versions, and must not take it that there is no such method."""
    error = await failure(channel, "Forget")
    assert isinstance(error, Unavailable)
    assert error.reason == error_pb2.ERROR_REASON_UNAVAILABLE
    assert error.retry_after_ms > 0


@pytest.mark.parametrize("channel", ["grpcio"], indirect=True)
async def test_so_is_one_that_answers_in_parts(channel: grpc.aio.Channel) -> None:
    raw: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(PATH + "Forget", bytes, bytes)
    with pytest.raises(Unavailable) as raised:
        await anext(parts_of(raw, b"", timeout=5))
    assert raised.value.reason == error_pb2.ERROR_REASON_UNAVAILABLE


async def test_who_waits_no_longer_than_a_deadline_is_told_so_and_the_work_is_given_up(
    channel: grpc.aio.Channel, faulty: Faulty
) -> None:
    with pytest.raises(DeadlineExceeded):
        await call(channel.unary_unary(PATH + "Append", bytes, bytes), b"", timeout=0.05)
    async with asyncio.timeout(5):
        await faulty.given_up.wait()


@pytest.mark.parametrize("connect", [open_channel, open_link])
async def test_where_nothing_listens_the_outcome_is_unknown_and_no_address_is_told(
    tmp_path: Path, connect: Callable[[str], AbstractAsyncContextManager[grpc.aio.Channel]]
) -> None:
    async with connect(f"unix:{tmp_path}/nobody") as channel:
        error = await failure(channel, "Read")
    assert isinstance(error, Unavailable)
    assert error.reason == error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    assert str(tmp_path) not in str(error)


async def test_streams_of_requests_are_not_served_for_nobody_looks_at_who_calls(tmp_path: Path) -> None:
    async def echo(requests: AsyncIterator[bytes], context: object) -> AsyncIterator[bytes]:
        del context
        async for request in requests:
            yield request

    server = new_server(CollectorRegistry())
    streams = grpc.method_handlers_generic_handler(
        "tertulia_internal.test.v1.Echo", {"Echo": grpc.stream_stream_rpc_method_handler(echo)}
    )
    server.add_generic_rpc_handlers((streams,))
    address = f"unix:{tmp_path}/server"
    async with served(server, address, [], 0), open_channel(address) as channel:
        method: grpc.aio.StreamStreamMultiCallable[bytes, bytes]
        method = channel.stream_stream("/tertulia_internal.test.v1.Echo/Echo")
        answer = method(iter([b"hello"]), timeout=5)
        assert await answer.code() == grpc.StatusCode.UNIMPLEMENTED
