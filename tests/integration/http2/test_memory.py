"""What a client can make a server hold is bounded, whatever it sends and nobody reads."""

import gc
from collections.abc import Awaitable, Callable
from itertools import cycle

import pytest
from h2.connection import H2Connection
from hyperframe.frame import DataFrame, Frame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from libs.http2 import Call
from libs.http2.connection import Connection
from libs.http2.limits import CONNECTION_WINDOW, MAX_HEADER_BYTES, STREAM_WINDOW, UNFINISHED_BYTES, UNREAD_BYTES
from tests.integration.http2.echo import LIMITS, PAGE_BYTES, Handlers
from tests.integration.http2.raw import Peer, message, peer, raw, reset
from tests.support.ports import until

HEADER_TABLE_SIZE = 1
INITIAL_WINDOW_SIZE = 4
CALM = 11
PIECE = 16_384


async def sent_as_far_as_it_goes(client: Peer, stream_id: int, stream: bytes, cuts: list[int], most: int) -> int:
    """Send pieces of `stream` again and again, cut at `cuts`, as the window of a call allows; how much it allowed."""
    begins = [0, *cuts]
    pieces = cycle([stream[begin:end] for begin, end in zip(begins, [*cuts, len(stream)], strict=True)])
    sent, piece = 0, next(pieces)
    while sent < most:
        room = STREAM_WINDOW + _granted(client.frames, stream_id) - sent
        if room < len(piece):
            assert await client.alive()  # all that it will grant, it has granted
            if STREAM_WINDOW + _granted(client.frames, stream_id) - sent == room:
                break
            continue
        client.send(DataFrame(stream_id, piece))
        sent, piece = sent + len(piece), next(pieces)
    return sent


def _granted(frames: list[Frame], stream_id: int) -> int:
    return sum(f.window_increment for f in frames if isinstance(f, WindowUpdateFrame) and f.stream_id == stream_id)


@pytest.mark.parametrize("last", [1, 6_000], ids=["by a byte", "by a piece"])
async def test_of_messages_that_nobody_reads_no_more_comes_than_one_and_a_window(
    client: Peer, handlers: Handlers, last: int
) -> None:
    whole = message(b"x" * 200_000)
    cuts = [*range(PIECE, len(whole) - last, PIECE), len(whole) - last]
    client.call(1, "wait_unread")
    sent = await sent_as_far_as_it_goes(client, 1, whole, cuts, most=4_000_000)
    assert sent <= LIMITS.max_message_bytes + STREAM_WINDOW
    handlers.go.set()
    count = sent // len(whole) + 4
    rest = count * len(whole) - sent
    await _send(client, 1, (whole * count)[-rest:], sent)
    client.send(DataFrame(1, b"", flags=["END_STREAM"]))
    await client.until_ended(1)
    assert client.data[1].endswith(message(str(count * 200_000).encode())), "nothing of it was lost"


async def _send(client: Peer, stream_id: int, data: bytes, sent: int) -> None:
    """Send all of it, as the windows of the call and of the connection allow, when `sent` was sent before."""
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        while STREAM_WINDOW + _granted(client.frames, stream_id) - sent < len(piece):
            await client.until(WindowUpdateFrame, stream_id)
        client.send(DataFrame(stream_id, piece))
        sent += len(piece)


async def test_unfinished_messages_of_a_connection_are_bounded_and_the_others_go_on(client: Peer) -> None:
    begun = message(b"x" * LIMITS.max_message_bytes)[:-1]
    calls = range(1, 2 * (UNFINISHED_BYTES // len(begun)) + 11, 2)
    for stream_id in calls:
        client.call(stream_id, "echo")
        await _send_or_end(client, stream_id, begun)
    refused = [stream_id for stream_id in calls if "grpc-status" in client.headers.get(stream_id, {})]
    assert 0 < len(refused) < 6
    assert {client.headers[stream_id]["grpc-status"] for stream_id in refused} == {"8"}
    assert await client.answers(calls.stop)
    client.send(DataFrame(1, b"x", flags=["END_STREAM"]))
    client.send(WindowUpdateFrame(1, window_increment=len(begun)), WindowUpdateFrame(0, window_increment=len(begun)))
    await client.until_ended(1)
    assert client.headers[1]["grpc-status"] == "0"


async def _send_or_end(client: Peer, stream_id: int, data: bytes) -> None:
    sent = 0
    for at in range(0, len(data), PIECE):
        piece = data[at : at + PIECE]
        while STREAM_WINDOW + _granted(client.frames, stream_id) - sent < len(piece):
            if (await client.next()).stream_id == stream_id and "grpc-status" in client.headers.get(stream_id, {}):
                return
        client.send(DataFrame(stream_id, piece))
        sent += len(piece)


async def test_what_calls_that_ended_had_begun_to_say_is_held_no_more(client: Peer) -> None:
    begun = message(b"x" * LIMITS.max_message_bytes)[:-1]
    room = CONNECTION_WINDOW + UNFINISHED_BYTES
    for stream_id in range(1, 2 * (room // len(begun)) + 20, 2):
        client.call(stream_id, "echo", ("grpc-timeout", "20m"))
        await _send_or_end(client, stream_id, begun)
        while "grpc-status" not in client.headers.get(stream_id, {}):
            await client.next()
        assert client.headers[stream_id]["grpc-status"] == "4"


@pytest.mark.parametrize("sizes", [[2**20], [0, 2**20], [2**31 - 1, 100, 2**31 - 1]], ids=str)
async def test_a_client_cannot_make_the_table_of_headers_grow(address: str, sizes: list[int]) -> None:
    """Else all that a server ever said would be kept in it. This client's decoder refuses more than it must keep."""
    async with peer(address, {HEADER_TABLE_SIZE: sizes[0]}) as client:
        for size in sizes[1:]:
            client.send(SettingsFrame(0, settings={HEADER_TABLE_SIZE: size}))
        assert await client.answers(1)
        assert await client.answers(3)


async def test_settings_without_number_are_ended(client: Peer) -> None:
    client.send(SettingsFrame(0, settings=dict.fromkeys(range(100, 130), 1)))
    assert await client.answers(1), "those that nobody knows are passed over"
    for identifier in range(1_000, 3_000):
        client.send_bytes(raw(4, 0, 0, identifier.to_bytes(2) + bytes(4)))
    assert await client.until_closed() == CALM
    assert len([frame for frame in client.frames if isinstance(frame, SettingsFrame)]) < 100


async def test_answers_that_a_client_has_no_window_for_are_bounded_and_no_longer_once_they_were_read(
    address: str,
) -> None:
    async with peer(address, {INITIAL_WINDOW_SIZE: 0}) as client:
        calls = range(1, 81, 2)
        for stream_id in calls:
            client.call(stream_id, "page", end=True)
        held = calls[: UNREAD_BYTES // (PAGE_BYTES + 5)]
        for _ in calls[len(held) :]:
            while "END_STREAM" not in (await client.next()).flags:
                pass
        assert await client.alive()
        refused = {stream_id for stream_id in calls if "grpc-status" in client.headers.get(stream_id, {})}
        assert refused == set(calls) - set(held)
        assert {client.headers[stream_id]["grpc-status"] for stream_id in refused} == {"8"}
        client.send(RstStreamFrame(held[0], error_code=8))
        await _read(client, held[1])
        for stream_id in (81, 83):
            client.call(stream_id, "page", end=True)
            await _read(client, stream_id)


async def _read(client: Peer, stream_id: int) -> None:
    size = PAGE_BYTES + 5
    client.send(WindowUpdateFrame(0, window_increment=size), WindowUpdateFrame(stream_id, window_increment=size))
    assert (await client.until_ended(stream_id))["grpc-status"] == "0"
    assert len(client.data[stream_id]) == size


async def calls_that_are_given_up(client: Peer) -> None:
    for stream_id in range(3, 23, 2):
        client.send(client.call_frame(stream_id, "wait"), reset(stream_id))
    client.call(23, "wait")
    await client.until(DataFrame, 23)


async def calls_with_too_many_headers(client: Peer) -> None:
    for stream_id in range(3, 23, 2):
        client.call(stream_id, "echo", ("x-much", "x" * (MAX_HEADER_BYTES - 100)))
        await client.until_ended(stream_id)


async def messages_that_are_too_large(client: Peer) -> None:
    for stream_id in range(3, 23, 2):
        client.call(stream_id, "echo")
        client.send(DataFrame(stream_id, b"\0" + (LIMITS.max_message_bytes + 1).to_bytes(4)))
        await client.until_ended(stream_id)


async def frames_that_carry_nothing(client: Peer) -> None:
    for _ in range(100):
        client.send_bytes(raw(6, 0, 0, b"12345678") * 100)
    assert await client.until_closed() == CALM


@pytest.mark.parametrize(
    "misuse",
    [calls_that_are_given_up, calls_with_too_many_headers, messages_that_are_too_large, frames_that_carry_nothing],
    ids=lambda misuse: str(misuse.__name__),
)
async def test_what_was_held_for_a_connection_and_its_calls_goes_with_them(
    address: str, misuse: Callable[[Peer], Awaitable[None]]
) -> None:
    """Not by the collector: what that has seen once it looks at again in ten minutes only, and a flood makes gigabytes of it by then."""

    def held() -> int:
        # not by isinstance, which asks what a proxy stands for, and fails at one whose object is gone
        return sum(issubclass(type(each), Call | Connection | H2Connection) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = held()
        async with peer(address) as client:
            assert await client.answers(1)
            assert held() > before
            await misuse(client)
        await until(lambda: held() == before, "nothing is held any more")
    finally:
        gc.enable()
