"""Our client against a real gRPC server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from libs.http2.client import Connection, StreamEnded, connect

PATH = "/test.Echo/Talk"
Context = grpc.aio.ServicerContext[bytes, bytes]


async def _talk(_requests: object, context: Context) -> None:
    """Answers each message with itself, so many times as its first byte says; ends with a status after "bye"."""
    while isinstance(data := await context.read(), bytes):
        if data == b"bye":
            await context.abort(grpc.StatusCode.NOT_FOUND, "gone")
        for _ in range(data[0]):
            await context.write(data)


@asynccontextmanager
async def _connected() -> AsyncIterator[Connection]:
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Talk": grpc.stream_stream_rpc_method_handler(_talk)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    connection = await connect(f"127.0.0.1:{port}", time.perf_counter_ns)
    try:
        yield connection
    finally:
        connection.close()
        await server.stop(0)


class _Inbox:
    """Collects messages until there are enough."""

    def __init__(self, count: int) -> None:
        self.messages: list[bytes] = []
        self.full = asyncio.Event()
        self._count = count

    def __call__(self, message: bytes) -> None:
        self.messages.append(message)
        if len(self.messages) == self._count:
            self.full.set()


@pytest.mark.parametrize("size", [1, 100, 16_384, 3_000_000])
async def test_messages_of_any_size_come_back_whole_and_in_order(size: int) -> None:
    """3 MB are above every window and every frame on both ways."""
    inbox = _Inbox(4)
    messages = [bytes([2]) + bytes([number]) * size for number in range(2)]
    async with asyncio.timeout(20), _connected() as connection:
        stream = connection.call(PATH, [], inbox)
        for message in messages:
            stream.send(message)
        await inbox.full.wait()
    assert inbox.messages == [messages[0], messages[0], messages[1], messages[1]]


async def test_streams_of_one_connection_do_not_mix() -> None:
    inboxes = [_Inbox(100) for _ in range(20)]
    async with asyncio.timeout(20), _connected() as connection:
        for number, inbox in enumerate(inboxes):
            connection.call(PATH, [], inbox).send(bytes([100, number]))
        for inbox in inboxes:
            await inbox.full.wait()
    assert [set(inbox.messages) for inbox in inboxes] == [{bytes([100, number])} for number in range(20)]


async def test_more_than_a_connections_window_is_received() -> None:
    """40 MB: windows were granted again and again."""
    inbox = _Inbox(200)
    async with asyncio.timeout(30), _connected() as connection:
        connection.call(PATH, [], inbox).send(bytes([200]) + bytes(200_000))
        await inbox.full.wait()
    assert {len(message) for message in inbox.messages} == {200_001}


async def test_a_status_ends_a_stream() -> None:
    async with asyncio.timeout(20), _connected() as connection:
        stream = connection.call(PATH, [("authorization", "Bearer x")], _Inbox(1))
        stream.send(b"bye")
        assert await stream.ended == "5 gone"


async def test_a_server_that_stops_ends_all_streams() -> None:
    async with asyncio.timeout(20):
        async with _connected() as connection:
            stream = connection.call(PATH, [], _Inbox(1))
        assert await stream.ended != "0"
        with pytest.raises(StreamEnded):
            stream.send(b"x")
