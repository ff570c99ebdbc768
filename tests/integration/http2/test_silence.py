"""A connection on which nothing happens: asked, believed dead, and what hangs on it ended; and one that is old. Time is told, not
waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hyperframe.frame import GoAwayFrame, PingFrame, RstStreamFrame

from libs.http2 import Call
from libs.http2.admission import Admission
from libs.http2.connection import Connection
from libs.http2.limits import STREAM_WINDOW, Limits
from libs.rpc.certificates import Certificates
from tests.integration.http2.echo import LIMITS, Handlers, echoing
from tests.integration.http2.raw import Closed, Peer, peer, reset, window
from tests.support.authority import Authority

INITIAL_WINDOW_SIZE = 4
REFUSED_STREAM = 7


@asynccontextmanager
async def alone(
    handlers: Handlers, settings: dict[int, int] | None = None, limits: Limits = LIMITS
) -> AsyncIterator[tuple[Connection, Peer]]:
    """A client and the server's end of its connection, which nobody else looks after."""
    loop = asyncio.get_running_loop()

    def start(call: Call) -> asyncio.Task[None]:
        return loop.create_task(serve(call))

    async def serve(call: Call) -> None:
        await getattr(handlers, call.request.path.rpartition("/")[2])(call)
        call.finish(None)

    connections: set[Connection] = set()
    place = Admission(limits).admit("127.0.0.1")
    assert place is not None
    server = await loop.create_server(lambda: Connection(limits, connections, start, place), "127.0.0.1", 0)
    try:
        async with peer(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", settings) as client:
            [connection] = connections
            yield connection, client
            connection.abort()
    finally:
        server.close()


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def test_a_silent_client_is_asked_and_lives_if_it_answers(handlers: Handlers) -> None:
    async with alone(handlers) as (connection, client):
        client.call(1, "wait")
        await handlers.waiting.wait()
        connection.look_after(later(31))
        asked = await client.until(PingFrame)
        client.send(PingFrame(0, asked.opaque_data, flags=["ACK"]))
        assert await client.alive()
        connection.look_after(later(29))
        assert await client.answers(3)


async def test_a_client_that_does_not_answer_is_hung_up_on(handlers: Handlers) -> None:
    async with alone(handlers) as (connection, client):
        client.call(1, "wait")
        await handlers.waiting.wait()
        connection.look_after(later(31))
        connection.look_after(later(41))
        await client.until_closed()
        await handlers.gone.wait()


async def test_of_many_calls_no_more_is_read_than_is_heard(handlers: Handlers) -> None:
    """Whatever the client does meanwhile: what is read and not heard yet stays what one turn may read."""
    async with alone(handlers) as (connection, client):
        streams = range(1, 1_201, 2)
        for stream_id in streams:
            client.call(stream_id, "echo", ("large", f"{stream_id:08}" * 1_000), end=True)
        most = 0
        while len(client.headers) < len(streams):
            await client.next()
            most = max(most, connection._reader.held_bytes)
        assert 0 < most <= 2 * 256 * 1024


async def test_a_reader_that_is_slow_is_not_taken_for_silent(handlers: Handlers) -> None:
    async with alone(handlers, {INITIAL_WINDOW_SIZE: 2**31 - 1}) as (connection, client):
        client.send(window(0, 2**31 - 1 - STREAM_WINDOW))
        for stream_id in range(1, 21, 2):
            client.call(stream_id, "flood", end=True)
        await handlers.blocked.wait()
        connection.look_after(later(45))
        await _all_ended(client)


async def _all_ended(client: Peer) -> None:
    while len(ended := [said["grpc-status"] for said in client.headers.values() if "grpc-status" in said]) < 10:
        await client.next()
    assert set(ended) == {"0"}


async def test_a_client_that_reads_nothing_is_hung_up_on(handlers: Handlers) -> None:
    async with alone(handlers, {INITIAL_WINDOW_SIZE: 2**31 - 1}) as (connection, client):
        client.send(window(0, 2**31 - 1 - STREAM_WINDOW))
        for stream_id in range(1, 21, 2):
            client.call(stream_id, "flood", end=True)
        await handlers.blocked.wait()
        connection.look_after(later(61))
        with pytest.raises(Closed):
            await _all_ended(client)


async def test_an_answer_that_is_not_read_ends_its_call_only(handlers: Handlers) -> None:
    async with alone(handlers) as (connection, client):
        client.call(1, "flood", end=True)
        await handlers.blocked.wait()
        assert await client.alive()
        client.send(window(0, STREAM_WINDOW))
        assert await client.answers(3)
        connection.look_after(later(0))
        assert await client.alive()
        assert "grpc-status" not in client.headers[1]
        [call] = connection.blocked
        call.blocked_at -= 61
        connection.look_after(later(0))
        assert (await client.until_ended(1))["grpc-status"] == "4"
        assert await client.answers(5)


async def test_an_old_connection_takes_no_new_call_and_ends_with_those_that_are_open(handlers: Handlers) -> None:
    async with alone(handlers, limits=LIMITS._replace(max_age_seconds=20)) as (connection, client):
        client.call(1, "wait")
        await handlers.waiting.wait()
        connection.look_after(later(17))
        assert await client.answers(3)
        connection.look_after(later(23))
        await client.until(GoAwayFrame)
        client.call(5, "echo")
        assert (await client.until(RstStreamFrame, 5)).error_code == REFUSED_STREAM, "gRPC tries it on another one"
        assert not handlers.gone.is_set(), "what is open stays"
        client.send(reset(1))
        assert await client.until_closed() == 0


async def test_calls_that_an_old_connection_does_not_end_are_cut_where_that_has_a_limit(handlers: Handlers) -> None:
    async with alone(handlers, limits=LIMITS._replace(max_age_seconds=20, grace_seconds=5)) as (connection, client):
        client.call(1, "wait")
        await handlers.waiting.wait()
        connection.look_after(later(22.5))
        await client.until(GoAwayFrame)
        assert await client.alive()
        connection.look_after(later(27.5))
        assert (await client.until_ended(1))["grpc-status"] == "14"
        await handlers.gone.wait()
        await client.until_closed()


async def test_a_connection_on_which_nobody_says_who_they_are_does_not_grow_old(handlers: Handlers) -> None:
    limits = LIMITS._replace(max_unauthenticated=10, unauthenticated_seconds=5)
    async with alone(handlers, limits=limits) as (connection, client):
        client.call(1, "wait")
        await handlers.waiting.wait()
        connection.look_after(later(4))
        assert await client.answers(3)
        connection.look_after(later(6))
        assert (await client.until_ended(1))["grpc-status"] == "14"
        assert await client.until_closed() == 0
        await handlers.gone.wait()


async def test_a_connection_whose_client_is_known_may_grow_old(handlers: Handlers) -> None:
    limits = LIMITS._replace(max_unauthenticated=10, unauthenticated_seconds=5)
    async with alone(handlers, limits=limits) as (connection, client):
        client.call(1, "sign_in", end=True)
        await client.until_ended(1)
        connection.look_after(later(20))
        assert await client.answers(3)


async def test_a_client_that_shakes_no_hands_is_hung_up_on(handlers: Handlers, tmp_path: Path) -> None:
    tls = Certificates(*Authority().issue(tmp_path, "server").values()).listening()
    async with (
        echoing(handlers, LIMITS._replace(greeting_seconds=0.1), tls=tls) as address,
        peer(address, greet=False) as client,
    ):
        await client.until_closed()
