"""What a caller of one of our servers learns when something goes wrong (I10): a real server, a real client."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import structlog
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.rpc.caller import decode_caller
from libs.rpc.client import call, open_channel
from libs.rpc.errors import Internal, InvalidArgument, NotFound, TertuliaError, Unavailable
from libs.rpc.server import new_server, served

PATH = "/tertulia_internal.message_store.v1.LogService/"


class Faulty(log_pb2_grpc.LogServiceServicer):
    """Each of its methods fails in another way."""

    async def Append(self, request: log_pb2.AppendRequest, context: object) -> log_pb2.AppendResponse:  # noqa: N802
        raise NotImplementedError

    async def Changes(self, request: log_pb2.ChangesRequest, context: object) -> log_pb2.ChangesResponse:  # noqa: N802
        raise NotImplementedError

    async def MentionCounts(  # noqa: N802
        self, request: log_pb2.MentionCountsRequest, context: object
    ) -> log_pb2.MentionCountsResponse:
        raise NotImplementedError

    async def Read(self, request: log_pb2.ReadRequest, context: object) -> log_pb2.ReadResponse:  # noqa: ARG002, N802
        raise ValueError("the password is hunter2")

    async def Heads(  # noqa: N802
        self,
        request: log_pb2.HeadsRequest,  # noqa: ARG002
        context: grpc.aio.ServicerContext[log_pb2.HeadsRequest, log_pb2.HeadsResponse],
    ) -> log_pb2.HeadsResponse:
        decode_caller(context.invocation_metadata() or ())
        return log_pb2.HeadsResponse()

    async def Counts(  # noqa: N802
        self,
        request: log_pb2.CountsRequest,  # noqa: ARG002
        context: grpc.aio.ServicerContext[log_pb2.CountsRequest, log_pb2.CountsResponse],
    ) -> log_pb2.CountsResponse:
        status = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="no such moon")
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason="MOON_NOT_FOUND", domain="tertulia"))
        await context.abort_with_status(rpc_status.to_status(status))


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    server = new_server(CollectorRegistry())
    log_pb2_grpc.add_LogServiceServicer_to_server(Faulty(), server)
    address = f"unix:{tmp_path}/server"
    async with served(server, address, [], 0), open_channel(address) as channel:
        yield channel


async def failure(channel: grpc.aio.Channel, method: str, request: bytes = b"") -> TertuliaError:
    raw: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PATH + method)
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


async def test_the_reason_of_a_newer_version_is_passed_over_and_the_code_stays(channel: grpc.aio.Channel) -> None:
    error = await failure(channel, "Counts")
    assert isinstance(error, NotFound)
    assert str(error) == "no such moon"


async def test_where_nothing_listens_the_outcome_is_unknown_and_no_address_is_told(tmp_path: Path) -> None:
    async with open_channel(f"unix:{tmp_path}/nobody") as channel:
        error = await failure(channel, "Read")
    assert isinstance(error, Unavailable)
    assert error.reason == error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    assert str(tmp_path) not in str(error)
