"""Unary calls on one stream: in any order, of any size, and through the end of the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.http2.link import open_link
from libs.http2.services import Services
from libs.rpc.client import call
from libs.rpc.errors import ResourceExhausted, Unavailable

MIB = 1024 * 1024


class Echo(log_pb2_grpc.LogServiceServicer):
    """Answers a read with an event of as many KiB as it asks for, its first byte the log's; waits where there are none."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()

    async def Append(self, request: log_pb2.AppendRequest, context: object) -> log_pb2.AppendResponse:
        return log_pb2.AppendResponse(results=[log_pb2.AppendResult(seq=len(item.content)) for item in request.items])

    async def Read(self, request: log_pb2.ReadRequest, context: object) -> log_pb2.ReadResponse:
        if not request.limit:
            self.waiting.set()
            await self.go.wait()
        return log_pb2.ReadResponse(events=[request.log.log_id[:1] * (request.limit * 1024)], head_seq=1)

    async def Heads(self, request: log_pb2.HeadsRequest, context: object) -> log_pb2.HeadsResponse:
        raise NotImplementedError

    async def Counts(self, request: log_pb2.CountsRequest, context: object) -> log_pb2.CountsResponse:
        raise NotImplementedError

    async def MentionCounts(
        self,
        request: log_pb2.MentionCountsRequest,
        context: object,
    ) -> log_pb2.MentionCountsResponse:
        raise NotImplementedError

    async def Changes(self, request: log_pb2.ChangesRequest, context: object) -> log_pb2.ChangesResponse:
        raise NotImplementedError


@asynccontextmanager
async def serving(echo: Echo, address: str, drain_seconds: float = 0.0) -> AsyncIterator[None]:
    services = Services(CollectorRegistry())
    log_pb2_grpc.add_LogServiceServicer_to_server(echo, services)  # type: ignore[arg-type] # it has what is used
    async with services.served(address, [], drain_seconds):
        yield


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/echo.sock"


def asked(kib: int, first: bytes = b"x") -> log_pb2.ReadRequest:
    return log_pb2.ReadRequest(log=log_pb2.LogKey(log_id=first), limit=kib)


async def test_calls_are_answered_as_they_are_done_and_not_in_order(echo: Echo, address: str) -> None:
    async with asyncio.timeout(10), serving(echo, address), open_link(address) as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        slow = asyncio.ensure_future(call(stub.Read, asked(0)))
        await echo.waiting.wait()
        assert (await call(stub.Read, asked(1))).events == [b"x" * 1024]
        assert not slow.done()
        echo.go.set()
        assert (await slow).head_seq == 1


async def test_large_answers_that_are_written_side_by_side_do_not_mix(echo: Echo, address: str) -> None:
    """40 MB of each: far above every window."""
    async with asyncio.timeout(60), serving(echo, address), open_link(address) as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        letters = [bytes([letter]) for letter in b"abcdefghij"]
        answers = await asyncio.gather(*(call(stub.Read, asked(4096, letter), timeout=50) for letter in letters))
    assert [set(answer.events[0]) for answer in answers] == [set(letter) for letter in letters]
    assert {len(answer.events[0]) for answer in answers} == {4 * MIB}


async def test_large_requests_side_by_side_arrive_whole(echo: Echo, address: str) -> None:
    request = log_pb2.AppendRequest(items=[log_pb2.AppendItem(content=bytes(MIB)) for _ in range(4)])
    async with asyncio.timeout(60), serving(echo, address), open_link(address) as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        answers = await asyncio.gather(*(call(stub.Append, request, timeout=50) for _ in range(5)))
    assert {result.seq for answer in answers for result in answer.results} == {MIB}


async def test_what_is_too_large_fails_alone(echo: Echo, address: str) -> None:
    async with asyncio.timeout(60), serving(echo, address), open_link(address) as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        open_meanwhile = asyncio.ensure_future(call(stub.Read, asked(0), timeout=50))
        await echo.waiting.wait()
        large = log_pb2.AppendRequest(items=[log_pb2.AppendItem(content=bytes(17 * MIB))])
        for refused in (call(stub.Append, large), call(stub.Read, asked(17 * 1024))):
            with pytest.raises(ResourceExhausted):
                await refused
        echo.go.set()
        assert (await open_meanwhile).head_seq == 1


async def test_a_connection_that_breaks_as_soon_as_it_is_made_fails_the_call_and_no_other(
    echo: Echo, tmp_path: Path
) -> None:
    """A server that greets as HTTP/2 does, and hangs up."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(3) + b"\x04" + bytes(5))  # SETTINGS, all as they are
        writer.close()

    path = f"{tmp_path}/rude.sock"
    async with asyncio.timeout(10), open_link(f"unix:{path}") as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        async with await asyncio.start_unix_server(greet, path):
            with pytest.raises(Unavailable):
                await call(stub.Read, asked(1))
        async with serving(echo, f"unix:{path}"):
            assert (await call(stub.Read, asked(1))).head_seq == 1


async def test_a_server_that_stops_answers_what_is_open_and_is_not_held_up(echo: Echo, address: str) -> None:
    async with asyncio.timeout(10), open_link(address) as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        async with asyncio.TaskGroup() as tasks, serving(echo, address, drain_seconds=60.0):
            slow = tasks.create_task(call(stub.Read, asked(0)))
            await echo.waiting.wait()
            asyncio.get_running_loop().call_later(0.05, echo.go.set)  # while it drains
        assert slow.result().head_seq == 1


async def test_calls_fail_when_the_server_has_gone_and_go_on_when_it_is_back(echo: Echo, address: str) -> None:
    async with asyncio.timeout(10), open_link(address) as link:
        stub = log_pb2_grpc.LogServiceStub(link)
        async with serving(echo, address):
            slow = asyncio.ensure_future(call(stub.Read, asked(0)))
            await echo.waiting.wait()
        for gone in (slow, call(stub.Read, asked(1))):
            with pytest.raises(Unavailable):
                await gone
        async with serving(echo, address):
            assert (await call(stub.Read, asked(1))).head_seq == 1
