"""Windows, both ways: nobody is sent more than they granted, and nobody can make the server hold more than it granted (I9)."""

import asyncio

import pytest
from hyperframe.frame import DataFrame, SettingsFrame, WindowUpdateFrame

from tests.integration.http2.echo import FLOOD_BYTES, FLOOD_MESSAGES, LIMITS, Handlers
from tests.integration.http2.raw import Peer, message, peer, window

INITIAL_WINDOW_SIZE = SettingsFrame.INITIAL_WINDOW_SIZE
FLOOD = b"".join(message(bytes([number]) * FLOOD_BYTES) for number in range(FLOOD_MESSAGES))
WINDOW = 65_535


async def read_granting(client: Peer, stream_id: int, size: int, grant: int) -> None:
    """Read so much, granting a little at a time."""
    while len(client.data.get(stream_id, b"")) < size:
        frame = await client.until(DataFrame, stream_id)
        assert len(frame.data) <= 16_384
        client.send(window(0, len(frame.data)), *(window(stream_id, grant) for _ in range(0, len(frame.data), grant)))


@pytest.mark.parametrize("first", [0, 1, 4, 5, 6, 1_000])
async def test_a_message_is_cut_to_the_windows_and_arrives_whole(address: str, first: int) -> None:
    async with peer(address, {INITIAL_WINDOW_SIZE: first}) as client:
        client.call(1, "echo")
        client.say(1, b"x" * 1_000, end=True)
        if first:
            await client.until(DataFrame, 1)
            assert len(client.data[1]) == min(first, 1_005)
        for _ in range(4):
            assert await client.alive(), "nothing more comes"
        assert len(client.data.get(1, b"")) == min(first, 1_005)
        while len(client.data.get(1, b"")) < 1_005:
            before = len(client.data.get(1, b""))
            client.send(window(1, 7))
            await client.until(DataFrame, 1)
            assert len(client.data[1]) <= before + 7
        assert (await client.until_ended(1))["grpc-status"] == "0"
        assert client.data[1] == message(b"x" * 1_000)


async def test_four_megabytes_arrive_in_order_through_a_small_window(address: str) -> None:
    async with peer(address, {INITIAL_WINDOW_SIZE: 3_000}) as client:
        client.call(1, "flood", end=True)
        await read_granting(client, 1, len(FLOOD), 1_000)
        assert client.data[1] == FLOOD


async def test_the_window_of_the_connection_holds_for_all_its_calls(address: str) -> None:
    async with peer(address, {INITIAL_WINDOW_SIZE: 2**31 - 1}) as client:
        for stream_id in (1, 3, 5):
            client.call(stream_id, "flood", end=True)
        while sum(map(len, client.data.values())) < WINDOW:
            await client.until(DataFrame)
        for _ in range(3):
            assert await client.alive()
        assert sum(map(len, client.data.values())) == WINDOW
        client.send(window(0, 3 * len(FLOOD)))
        for stream_id in (1, 3, 5):
            await client.until_ended(stream_id) if "grpc-status" not in client.headers[stream_id] else None
            assert client.data[stream_id] == FLOOD


async def test_a_window_that_settings_shrink_below_zero_is_waited_for(address: str) -> None:
    async with peer(address) as client:
        client.call(1, "flood", end=True)
        while len(client.data.get(1, b"")) < WINDOW:
            await client.until(DataFrame, 1)
        client.send(SettingsFrame(0, settings={INITIAL_WINDOW_SIZE: 1_000}), window(0, WINDOW))
        await client.until(SettingsFrame)
        client.send(window(1, WINDOW - 1_000))  # the window is 0 again: 65,535 were sent, of 1,000
        assert await client.alive()
        assert len(client.data[1]) == WINDOW
        client.send(window(1, 10))
        while len(client.data[1]) < WINDOW + 10:
            await client.until(DataFrame, 1)
        client.send(SettingsFrame(0, settings={INITIAL_WINDOW_SIZE: 1_020}))
        while len(client.data[1]) < WINDOW + 30:
            await client.until(DataFrame, 1)
        assert await client.alive()
        assert len(client.data[1]) == WINDOW + 30


async def test_a_stalled_reader_delays_nobody_on_its_connection(address: str, handlers: Handlers) -> None:
    async with peer(address, {INITIAL_WINDOW_SIZE: 1_000}) as client:
        client.call(1, "flood", end=True)
        async with asyncio.timeout(10):
            await handlers.blocked.wait()
        assert await client.answers(3)


async def test_a_call_that_is_given_up_in_the_middle_of_a_message_tells_its_status(client: Peer) -> None:
    client.call(1, "tear", end=True)
    assert (await client.until_ended(1))["grpc-status"] == "5"
    assert 0 < len(client.data[1]) <= WINDOW


async def test_a_client_that_reads_nothing_at_all_holds_only_itself_up(address: str, handlers: Handlers) -> None:
    async with peer(address, {INITIAL_WINDOW_SIZE: 2**31 - 1}) as deaf, peer(address) as other:
        deaf.send(window(0, 2**31 - 1 - WINDOW))
        for stream_id in range(1, 21, 2):
            deaf.call(stream_id, "flood", end=True)
        async with asyncio.timeout(10):
            await handlers.blocked.wait()
        assert await other.answers(1)


async def test_who_is_not_read_is_granted_nothing_and_all_of_it_arrives_later(client: Peer, handlers: Handlers) -> None:
    client.call(1, "wait_unread")
    await client.until(DataFrame, 1)
    text = b"x" * 995  # 1,000 with its prefix
    for _ in range(WINDOW // 1_000):
        client.say(1, text)
    assert await client.alive()
    assert not [frame for frame in client.frames if isinstance(frame, WindowUpdateFrame) and frame.stream_id == 1]
    assert await client.answers(3), "the others are not held up"
    handlers.go.set()
    assert (await client.until(WindowUpdateFrame, 1)).window_increment >= WINDOW // 2
    client.send(DataFrame(1, b"", flags=["END_STREAM"]))
    await client.until_ended(1)
    assert client.data[1].endswith(message(str(WINDOW // 1_000 * 995).encode()))


async def test_a_message_larger_than_the_window_is_granted_as_it_comes(client: Peer) -> None:
    whole = message(b"x" * LIMITS.max_message_bytes)
    client.call(1, "echo")
    room, sent = WINDOW, 0
    while sent < len(whole):
        size = min(room, 16_384, len(whole) - sent)
        if size == 0:
            room += (await client.until(WindowUpdateFrame, 1)).window_increment
            continue
        client.send(DataFrame(1, whole[sent : sent + size]))
        sent, room = sent + size, room - size
    client.send(DataFrame(1, b"", flags=["END_STREAM"]))
    await read_granting(client, 1, len(whole), 16_384)
    assert client.data[1] == whole


@pytest.mark.parametrize("name", ["wait_unread", "refuse"])
async def test_the_connections_window_opens_again_whatever_becomes_of_the_data(
    client: Peer, handlers: Handlers, name: str
) -> None:
    """Of calls that are not read but reset, and of those that ended before their data came."""
    while not any(isinstance(frame, WindowUpdateFrame) for frame in client.frames):
        await client.next()
    room = WINDOW + sum(f.window_increment for f in client.frames if isinstance(f, WindowUpdateFrame))
    sent = 0
    for stream_id in range(1, 301, 2):
        client.call(stream_id, name)
        for _ in range(3):
            client.send(DataFrame(stream_id, message(b"x" * 16_000)))
        sent += 3 * 16_005
        if name == "wait_unread":
            await client.until(DataFrame, stream_id)
            client.send(DataFrame(stream_id, b"", flags=["END_STREAM"]))
            handlers.go.set()
        await client.until_ended(stream_id)
        granted = [f for f in client.frames if isinstance(f, WindowUpdateFrame) and not f.stream_id]
        assert WINDOW + sum(f.window_increment for f in granted) - sent > 0
    assert sent > room
