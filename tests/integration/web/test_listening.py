"""Streams through the door: from hello to goodbye, for readers that read and for those that do not."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import psutil
import pyqwest
import pytest
import pytest_asyncio
from tertulia.chat.v1 import session_pb2

from tests.integration.gateway.processes import user_token
from tests.integration.web.conftest import Room
from tests.integration.web.door import Door, Http, running_door
from tests.support.ports import free_port, until
from tests.support.stack import ServeStack

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def brisk(stack: ServeStack) -> AsyncIterator[Door]:
    """A door with short times."""
    settings = {"heartbeat_seconds": 0.5, "stall_seconds": 2, "queue_bytes": 16 * 1024, "metrics_listen": metrics()}
    async with running_door(stack.address, stack.data.parent, **settings) as door:
        yield door


METRICS_PORT = free_port()


def metrics() -> str:
    return f"127.0.0.1:{METRICS_PORT}"


async def figure(name: str) -> float:
    page = (await pyqwest.Client().get(f"http://{metrics()}/metrics")).text()
    [line] = [line for line in page.splitlines() if line.split(" ")[0] == f"tertulia_web_{name}"]
    return float(line.split(" ")[1])


async def test_metrics_are_only_read(brisk: Door) -> None:
    assert brisk.running
    for verb in ("POST", "PUT", "DELETE"):
        answer = await Http(f"http://{metrics()}").ask_by(verb, "/metrics")
        assert (answer.status, answer.headers["allow"]) == (405, "OPTIONS,GET")


async def test_ndjson_has_a_frame_on_each_line(room: Room) -> None:
    async with room.ben.listen() as lines:
        assert (lines.status, lines.headers["content-type"]) == (200, "application/x-ndjson")
        assert (await lines.frame())["notices"][0]["welcome"]["userId"] == room.names[1]
        seq = await room.say("on a line")
        frame = await lines.until("on a line")
        assert [int(event["seq"]) for event in frame["slices"][0]["events"]] == [seq]


async def test_server_sent_events_hold_the_same(room: Room) -> None:
    async with room.ben.listen(accept="text/event-stream") as lines:
        assert lines.headers["content-type"] == "text/event-stream"
        line = await lines.next()
        assert line is not None
        assert line.startswith('data: {"notices": [{"welcome": ')
        assert await lines.next() == ""


async def test_a_stream_goes_on_where_the_last_one_was_left(room: Room) -> None:
    async with room.ben.listen() as lines:
        await lines.until("caughtUp")
        first = await room.say("one")
        log_id = (await lines.until('"one"'))["slices"][0]["logId"]
    missed = [await room.say("two"), await room.say("three")]
    hello = {"hello": {"positions": [{"logId": log_id, "seq": first}]}}
    async with room.ben.listen(hello) as lines:
        seqs: list[int] = []
        while len(seqs) < len(missed):
            for part in (await lines.frame()).get("slices", []):
                seqs += [int(event["seq"]) for event in part.get("events", []) if part["logId"] == log_id]
        assert seqs == missed


async def test_a_bad_token_is_a_status_of_http_before_anything_is_streamed(door: Door) -> None:
    async with Http(door.url, "nonsense").listen() as lines:
        assert lines.status == 401
        assert '"reason": "TOKEN_INVALID"' in await lines.all()


async def test_a_request_that_breaks_a_rule_is_a_status_of_http(room: Room) -> None:
    async with room.ann.listen({"watchUserIds": ["x"] * 1_001}) as lines:
        assert lines.status == 400


async def test_headers_and_an_empty_frame_come_though_the_gateway_is_silent(stack: ServeStack) -> None:
    """A server that takes connections and says nothing stands for the gateway."""
    taken: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _reader, writer: taken.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with silent:
        async with running_door(f"127.0.0.1:{port}", stack.data.parent) as door:
            reader, writer = await connect_stream(door, "ann")
            async with asyncio.timeout(2):
                assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
                assert b"\0\0\0\0\0" in await reader.readuntil(b"\0\0\0\0\0"), "an empty message in Connect's envelope"
            writer.close()
        for one in taken:  # now that the door has ended, and connects no more
            one.close()


async def connect_stream(door: Door, user_id: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Listen by hand with Connect's binary protocol."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(listen_request(user_id))
    return reader, writer


def listen_request(user_id: str) -> bytes:
    head = (
        "POST /tertulia.chat.v1.SessionService/Listen HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
        f"content-type: application/connect+proto\r\nauthorization: Bearer {user_token(user_id)}\r\n\r\n"
    )
    return head.encode() + struct.pack(">BI", 0, 0)


async def test_a_silent_stream_has_heartbeats(brisk: Door, room: Room) -> None:
    async with Http(brisk.url, user_token(room.names[0])).listen() as lines:
        await lines.until("caughtUp")
        assert [await lines.any_frame(), await lines.any_frame()] == [{}, {}]


async def test_the_gateways_session_ends_when_the_client_leaves(brisk: Door, room: Room) -> None:
    before = await figure("streams")
    async with Http(brisk.url, user_token(room.names[0])).listen() as lines:
        await lines.until("caughtUp")
        assert await figure("streams") == before + 1
    await until(lambda: _figure_is("streams", before), "the stream has ended")
    watching = {"userIds": [room.names[0]]}

    async def offline() -> bool:
        [presence] = (await room.ben.ask("PresenceService/GetPresence", watching))["presences"]
        return not presence.get("online", False)

    await until(offline, "nobody thinks any more that the client is there", seconds=30)


async def _figure_is(name: str, value: float) -> bool:
    return await figure(name) == value


async def test_who_reads_nothing_is_cut_and_holds_back_nobody(brisk: Door, room: Room) -> None:
    stalls = await figure("stalls_total")
    memory = psutil.Process(brisk.pid).memory_info().rss
    with ExitStack() as stack:
        for _ in range(5):
            stalled = stack.enter_context(socket.socket())
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            stalled.connect(("127.0.0.1", brisk.port))
            stalled.sendall(listen_request(room.names[1]))
        async with Http(brisk.url, user_token(room.names[1])).listen() as lines:
            await lines.until("caughtUp")
            reading = asyncio.create_task(lines.until("still here", seconds=60))
            await _flood(room)
            await until(lambda: _figure_is("stalls_total", stalls + 5), "all five are cut", seconds=30)
            seq = await room.say("still here")
            assert int((await reading)["slices"][-1]["toSeq"]) == seq
    grown = psutil.Process(brisk.pid).memory_info().rss - memory
    assert grown < 40 * 2**20, "what waits for a stalled reader is bounded"


async def _flood(room: Room) -> None:
    """More than the kernel's buffers for a socket hold, 4 MiB."""
    text = "x" * 8_000
    for _ in range(14):
        await asyncio.gather(*(room.say(text) for _ in range(50)))


_CAUGHT_UP = session_pb2.ServerFrame(notices=[session_pb2.Notice(caught_up=session_pb2.CaughtUp())]).SerializeToString()
"""How it stands in a frame; joined frames keep the bytes of each."""


async def test_on_stop_everybody_is_told_to_come_back_and_it_takes_less_than_five_seconds(
    stack: ServeStack, room: Room
) -> None:
    async with running_door(stack.address, stack.data.parent) as door:
        ben = Http(door.url, user_token(room.names[1]))
        async with ben.listen() as lines, ben.listen(accept="text/event-stream") as events:
            reader, writer = await connect_stream(door, room.names[0])
            idle = await asyncio.open_connection("127.0.0.1", door.port)
            await lines.until("caughtUp")
            data = await reader.readuntil(_CAUGHT_UP)
            began = time.monotonic()
            stopping = asyncio.create_task(door.stop())
            goodbye = (await lines.until("goodbye"))["notices"][-1]["goodbye"]
            assert (goodbye["code"], goodbye["reconnect"]) == ("GOODBYE_CODE_DRAIN", True)
            assert await lines.next() is None
            while (line := await events.next()) is not None and "goodbye" not in line:
                pass
            assert line is not None
            data += await reader.read()
            assert _goodbye(data) == session_pb2.GOODBYE_CODE_DRAIN
            assert await stopping == 0
            assert time.monotonic() - began < 5
            writer.close()
            idle[1].close()


def _goodbye(data: bytes) -> int:
    """The code of the goodbye in the last message before the end of a Connect stream, chunks of HTTP taken away."""
    body = data.split(b"\r\n\r\n", 1)[1]
    plain = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        plain += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    messages = []
    while plain:
        flags, length = struct.unpack(">BI", plain[:5])
        messages.append((flags, plain[5 : 5 + length]))
        plain = plain[5 + length :]
    assert messages[-1] == (2, b"{}"), "the stream ended well"
    return session_pb2.ServerFrame.FromString(messages[-2][1]).notices[-1].goodbye.code


async def test_a_gateway_that_dies_is_an_error_that_names_no_address(stack: ServeStack, room: Room) -> None:
    async with room.ben.listen() as lines:
        await lines.until("caughtUp")
        stack.kill("gateway")
        line = await lines.next()
        assert line is not None
        assert '"code": "unavailable"' in line
        assert "127.0.0.1" not in line
        assert await lines.next() is None

    async def back() -> bool:
        return (await Http(room.url).get("/readyz")).status == 200

    await until(back, "the door finds the new gateway", seconds=60)
    await room.say("again")
