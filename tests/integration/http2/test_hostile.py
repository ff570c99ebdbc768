"""What breaks the protocol ends its connection, with the right code and a bounded amount of work; nobody else notices."""

from collections.abc import Callable, Sequence

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.integration.http2.echo import LIMITS, Handlers, echoing
from tests.integration.http2.raw import PREFACE, Closed, Peer, message, peer, raw, reset, window

PROTOCOL, FLOW_CONTROL, FRAME_SIZE, COMPRESSION, CALM = 1, 3, 6, 9, 11


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (raw(0, 0, 0, b"x"), {PROTOCOL}),
        (raw(0, 0, 1, b"x"), {PROTOCOL}),
        (raw(0, 8, 99, b"\xff"), {PROTOCOL}),
        (raw(1, 4, 0, b"\x82"), {PROTOCOL}),
        (raw(1, 4, 2, b"\x82"), {PROTOCOL}),
        (raw(1, 5, 1, b"\xff\xff\xff\xff\xff"), {PROTOCOL, COMPRESSION}),
        (raw(1, 5, 1, b"\xbe"), {PROTOCOL, COMPRESSION}),
        (raw(1, 0, 1, b"\x82") + raw(6, 0, 0, b"12345678"), {PROTOCOL}),
        (raw(1, 0, 1, b"\x82") + raw(0, 0, 1, b"x"), {PROTOCOL}),
        (raw(1, 0, 1, b"\x82") + raw(7, 0, 0, b"\0" * 8), {PROTOCOL}),
        (raw(9, 4, 1, b"\x82"), {PROTOCOL}),
        (raw(3, 0, 0, b"\0\0\0\0"), {PROTOCOL}),
        (raw(3, 0, 9, b"\0\0\0\0"), {PROTOCOL}),
        (raw(3, 0, 1, b"\0"), {PROTOCOL, FRAME_SIZE}),
        (raw(4, 0, 1, b""), {PROTOCOL}),
        (raw(4, 0, 0, b"x"), {PROTOCOL, FRAME_SIZE}),
        (raw(4, 0, 0, b"\0\4\xff\xff\xff\xff"), {FLOW_CONTROL}),
        (raw(4, 0, 0, b"\0\5\0\0\0\1"), {PROTOCOL}),
        (raw(5, 4, 1, b"\0\0\0\2\x82"), {PROTOCOL}),
        (raw(6, 0, 1, b"12345678"), {PROTOCOL}),
        (raw(6, 0, 0, b"1"), {PROTOCOL, FRAME_SIZE}),
        (raw(8, 0, 0, b"\0\0\0\0"), {PROTOCOL}),
        (raw(8, 0, 0, b"\x7f\xff\xff\xff"), {FLOW_CONTROL}),
        (raw(8, 0, 0, b"\0"), {PROTOCOL, FRAME_SIZE}),
        (raw(0, 0, 1, b"x" * 16_385), {FRAME_SIZE}),
        (raw(200, 0, 0, b"x" * 16_385), {FRAME_SIZE}),
    ],
    ids=["DATA on 0", "DATA on nothing", "DATA padded on nothing", "HEADERS on 0", "HEADERS on 2", "HPACK integer",
         "HPACK index", "PING in headers", "DATA in headers", "GOAWAY in headers", "CONTINUATION of nothing", "RST on 0",
         "RST on nothing", "RST short", "SETTINGS on 1", "SETTINGS short", "SETTINGS window", "SETTINGS frame size",
         "PUSH_PROMISE", "PING on 1", "PING short", "WINDOW 0", "WINDOW overflow", "WINDOW short", "DATA long",
         "unknown long"],
)  # fmt: skip
async def test_a_broken_frame_ends_its_connection(address: str, data: bytes, codes: set[int]) -> None:
    async with peer(address) as other, peer(address) as client:
        client.send_bytes(data)
        assert await client.until_closed() in codes
        assert await other.answers(1)


async def test_frames_of_kinds_that_nobody_knows_are_passed_over(client: Peer) -> None:
    client.send_bytes(raw(200, 255, 7, b"what is this?"))
    assert await client.answers(1)


@pytest.mark.parametrize(
    "flood",
    [
        lambda _: raw(6, 0, 0, b"12345678"),
        lambda _: raw(4, 0, 0, b""),
        lambda _: raw(2, 0, 1, b"\0\0\0\0\1"),
        lambda _: raw(0, 0, 1, b""),
        lambda _: raw(0, 8, 1, b"\1\0"),
        lambda _: raw(8, 0, 0, b"\0\0\0\1"),
        lambda _: raw(200, 0, 0, b""),
    ],
    ids=["PING", "SETTINGS", "PRIORITY", "empty DATA", "padding", "WINDOW_UPDATE", "unknown"],
)
async def test_floods_are_ended(address: str, flood: Callable[[int], bytes]) -> None:
    async with peer(address) as other, peer(address) as client:
        client.call(1, "wait")
        await client.until(DataFrame, 1)
        client.send_bytes(b"".join(map(flood, range(40_000))))
        assert await client.until_closed() == CALM
        assert await other.answers(1)


async def test_a_flood_of_ends_of_what_has_ended_is_ended(client: Peer) -> None:
    assert await client.answers(1)
    client.send_bytes(raw(0, 1, 1, b"") * 40_000)
    assert await client.until_closed() == CALM


async def test_rapid_resets_are_ended_after_a_bounded_number_of_calls(address: str) -> None:
    """CVE-2023-44487."""
    async with peer(address) as other, peer(address) as client:
        try:
            for stream_id in range(1, 4_001, 2):
                client.send(client.call_frame(stream_id, "wait"), reset(stream_id))
        except ConnectionError:
            pass  # it hung up while we went on
        assert await client.until_closed() == CALM
        goaway = next(frame for frame in client.frames if isinstance(frame, GoAwayFrame))
        assert goaway.last_stream_id < 2 * 1_500
        assert await other.answers(1)


async def test_who_begins_many_calls_at_once_keeps_nobody_waiting(address: str, handlers: Handlers) -> None:
    async with peer(address) as other, peer(address) as client:
        streams = range(1, 181, 2)
        client.send(*(client.call_frame(stream_id, "wait", end=True) for stream_id in streams))
        other.call(1, "count_waits", end=True)
        await other.until_ended(1)
        assert int(other.data[1][5:]) < len(streams) / 2
        handlers.go.set()
        for stream_id in streams:
            await client.until(DataFrame, stream_id)
        assert handlers.waits == len(streams)
        assert await client.answers(streams.stop)


async def test_a_flood_of_continuations_is_ended(address: str) -> None:
    async with peer(address) as other, peer(address) as client:
        client.send(HeadersFrame(1, b"\x82"))
        for _ in range(200):
            client.send(ContinuationFrame(1, b""))
        assert await client.until_closed() == PROTOCOL
        assert await other.answers(1)


@pytest.mark.parametrize("split", [1, 4], ids=["one frame", "continuations"])
async def test_huge_headers_are_ended(address: str, split: int) -> None:
    async with peer(address) as other, peer(address) as client:
        whole = client.call_frame(1, "echo", ("big", "x" * 22_000)).data
        step = len(whole) // split + 1
        first, *rest = [whole[at : at + step] for at in range(0, len(whole), step)]
        assert len(first) > 16_384 or split > 1
        parts: Sequence[Frame] = [HeadersFrame(1, first), *(ContinuationFrame(1, part) for part in rest)]
        parts[-1].flags.add("END_HEADERS")
        client.send(*parts)
        assert await client.until_closed() in {CALM, FRAME_SIZE}
        assert await other.answers(1)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (("authorization", "Bearer x "), "3"),
        (("authorization", "\tBearer x"), "3"),
        (("x", "line\r\nbreak"), "3"),
        (("x", "nul\0"), "3"),
        (("X", "upper case"), "3"),
        (("connection", "close"), "3"),
        (("te", "gzip"), "3"),
        ((":late", "?"), "3"),
        ((":path", ""), "3"),
        (("authorization", "x" * 12_000), "8"),
        (("authorization", "x" * 15_900), "8"),
    ],
    ids=["space", "tab", "line break", "NUL", "upper case", "connection", "TE", "pseudo header", "no path", "large", "larger"],
)  # fmt: skip
async def test_headers_that_cannot_be_accepted_end_their_call_and_no_other_of_the_connection(
    client: Peer, handlers: Handlers, header: tuple[str, str], status: str
) -> None:
    """Behind a proxy, the others are other people's."""
    client.call(1, "wait")
    await client.until(DataFrame, 1)
    for stream_id in range(3, 23, 2):
        client.call(stream_id, "echo", header)
        ended = await client.until_ended(stream_id)
        assert ended["grpc-status"] == status
        assert header[1] not in ended["grpc-message"] or len(header[1]) < 2, "it may be a token"
    assert await client.answers(23)
    handlers.go.set()
    assert (await client.until(HeadersFrame, 1)).flags >= {"END_STREAM"}
    assert client.headers[1]["grpc-status"] == "0"


async def test_a_bomb_of_small_references_to_a_large_header_is_ended(address: str) -> None:
    async with peer(address) as client:
        large = b"\x40\x01a\x7f\x81\x1e" + b"x" * 4_000  # one literal, indexed
        client.send(HeadersFrame(1, large + b"\xbe" * 12_000, flags=["END_HEADERS", "END_STREAM"]))
        assert await client.until_closed() in {CALM, PROTOCOL}


async def test_more_data_than_the_window_of_a_stream_is_ended(client: Peer) -> None:
    client.call(1, "wait_unread")
    for _ in range(5):
        client.send(DataFrame(1, message(b"x" * 16_000)))
    assert await client.until_closed() == FLOW_CONTROL


async def test_more_data_than_the_window_of_the_connection_is_ended(client: Peer) -> None:
    for stream_id in range(1, 131, 2):
        client.call(stream_id, "wait_unread")
        for _ in range(4):
            client.send(DataFrame(stream_id, message(b"x" * 16_378)))
    assert await client.until_closed() == FLOW_CONTROL


async def test_data_after_the_end_of_a_stream_is_ended(client: Peer) -> None:
    client.call(1, "wait", end=True)
    client.send(DataFrame(1, b"more"))
    assert await client.until_closed() == PROTOCOL


async def test_padding_counts_and_more_padding_than_payload_is_ended(client: Peer) -> None:
    client.call(1, "wait_unread")
    for _ in range(260):
        client.send(DataFrame(1, b"", pad_length=255, flags=["PADDED"]))  # 256 bytes each, that hold nothing
    assert await client.alive(), "what is padding only is granted again"
    client.send_bytes(raw(0, 8, 1, b"\x05abcd"))
    assert await client.until_closed() == PROTOCOL


async def test_more_calls_than_are_allowed_are_ended(client: Peer) -> None:
    for stream_id in range(1, 2 * LIMITS.max_streams + 3, 2):
        client.call(stream_id, "wait")
    assert await client.until_closed() == PROTOCOL


async def test_more_connections_than_are_allowed_are_closed_as_they_come(handlers: Handlers) -> None:
    async with echoing(handlers, LIMITS._replace(max_connections=1)) as address, peer(address) as first:
        with pytest.raises(Closed):
            async with peer(address):
                pass
        assert await first.answers(1)


@pytest.mark.parametrize(
    "greeting",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", PREFACE[:10] + b"nonsense"],
    ids=["HTTP/1.1", "TLS", "half a preface"],
)
async def test_what_is_no_http2_is_told_so_and_closed(address: str, greeting: bytes) -> None:
    async with peer(address, greet=False) as client:
        client.send_bytes(greeting)
        told = await client.until_end_of_bytes()
        assert b"HTTP/1.1 400" in told


async def test_a_first_frame_that_is_no_settings_is_ended(address: str) -> None:
    async with peer(address, greet=False) as client:
        client.send_bytes(PREFACE)
        client.send(PingFrame(0, b"12345678"))
        assert await client.until_closed() == PROTOCOL


async def test_frames_byte_by_byte_are_understood(address: str) -> None:
    async with peer(address, greet=False) as client:
        frames = [SettingsFrame(0), client.call_frame(1, "echo"), DataFrame(1, message(b"hi"), flags=["END_STREAM"])]
        for byte in PREFACE + b"".join(frame.serialize() for frame in frames):
            client.send_bytes(bytes([byte]))
            await client.drained()
        assert (await client.until_ended(1))["grpc-status"] == "0"


async def test_window_updates_and_resets_of_ended_calls_are_passed_over(client: Peer) -> None:
    assert await client.answers(1)
    client.send(window(1, 10), RstStreamFrame(1, error_code=8), PriorityFrame(1, depends_on=0, stream_weight=1))
    client.send(WindowUpdateFrame(1, window_increment=2**31 - 1), WindowUpdateFrame(1, window_increment=2**31 - 1))
    assert await client.answers(3)


async def test_an_overflowing_window_ends_its_call_only(client: Peer, handlers: Handlers) -> None:
    client.call(1, "wait")
    await client.until(DataFrame, 1)
    client.send(window(1, 2**31 - 1))
    assert (await client.until(RstStreamFrame, 1)).error_code == FLOW_CONTROL
    assert await client.answers(3)
    assert handlers.gone.is_set()
