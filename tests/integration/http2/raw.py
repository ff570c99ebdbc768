"""A client that says what a test wants, frame by frame."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

SECONDS = 10.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FrameType = TypeVar("FrameType", bound=Frame)
Headers = Sequence[tuple[str, str]]


class Closed(Exception):
    """The server hung up."""


class Peer:
    """One connection. Every frame that comes is kept in `frames`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.frames: list[Frame] = []
        self.headers: dict[int, dict[str, str]] = {}
        """By stream: the headers that came, the last ones of their name."""
        self.data: dict[int, bytes] = {}
        self._reader = reader
        self._writer = writer
        self._encoder = Encoder()
        self._decoder = Decoder()

    def send(self, *frames: Frame) -> None:
        self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    def call_frame(self, stream_id: int, name: str, *more: tuple[str, str], end: bool = False) -> HeadersFrame:
        """The headers of a call of `test.Echo`."""
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/test.Echo/{name}",
            ":authority": "test",
            "te": "trailers",
            "content-type": "application/grpc",
            **dict(more),
        }
        flags = ["END_HEADERS", "END_STREAM"] if end else ["END_HEADERS"]
        return HeadersFrame(stream_id, self._encoder.encode(list(headers.items())), flags=flags)

    def call(self, stream_id: int, name: str, *more: tuple[str, str], end: bool = False) -> None:
        self.send(self.call_frame(stream_id, name, *more, end=end))

    def say(self, stream_id: int, text: bytes, *, end: bool = False) -> None:
        """A message in one frame."""
        self.send(DataFrame(stream_id, message(text), flags=["END_STREAM"] if end else []))

    async def next(self) -> Frame:
        """The next frame.

        Raises:
            Closed: see there.
        """
        try:
            async with asyncio.timeout(SECONDS):
                head = await self._reader.readexactly(9)
                frame, length = Frame.parse_frame_header(memoryview(head))
                frame.parse_body(memoryview(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closed from None
        self.frames.append(frame)
        if isinstance(frame, HeadersFrame):
            self.headers.setdefault(frame.stream_id, {}).update(
                (str(name), str(value)) for name, value in self._decoder.decode(frame.data)
            )
        elif isinstance(frame, DataFrame):
            self.data[frame.stream_id] = self.data.get(frame.stream_id, b"") + frame.data
        return frame

    async def until(self, kind: type[FrameType], stream_id: int | None = None) -> FrameType:
        """The next frame of a kind, on a stream."""
        while True:
            frame = await self.next()
            if isinstance(frame, kind) and stream_id in (None, frame.stream_id):
                return frame

    async def until_ended(self, stream_id: int) -> dict[str, str]:
        """The headers of a stream, once it has ended."""
        while "END_STREAM" not in (await self.next()).flags or self.frames[-1].stream_id != stream_id:
            pass
        return self.headers[stream_id]

    async def until_closed(self) -> int:
        """Wait until the server hangs up; the code of its GOAWAY."""
        try:
            while True:
                await self.next()
        except Closed:
            pass
        [code] = {frame.error_code for frame in self.frames if isinstance(frame, GoAwayFrame)} or {-1}
        return code

    async def until_end_of_bytes(self) -> bytes:
        """All that comes until the server hangs up, as bytes."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.read()

    async def drained(self) -> None:
        """Let what was sent leave."""
        await self._writer.drain()
        await asyncio.sleep(0)

    async def alive(self) -> bool:
        """Whether the server answers a ping."""
        self.send(PingFrame(0, b"are you?"))
        while True:
            frame = await self.next()
            if isinstance(frame, PingFrame) and "ACK" in frame.flags and frame.opaque_data == b"are you?":
                return True

    async def answers(self, stream_id: int) -> bool:
        """Whether a call is served as it should be."""
        self.call(stream_id, "echo")
        self.say(stream_id, b"hello", end=True)
        headers = await self.until_ended(stream_id)
        return headers["grpc-status"] == "0" and self.data[stream_id] == message(b"hello")


def message(text: bytes) -> bytes:
    """As gRPC has it."""
    return struct.pack("!BI", 0, len(text)) + text


def raw(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A frame, right or wrong."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream_id.to_bytes(4) + payload


def window(stream_id: int, size: int) -> WindowUpdateFrame:
    return WindowUpdateFrame(stream_id, window_increment=size)


def reset(stream_id: int) -> RstStreamFrame:
    return RstStreamFrame(stream_id, error_code=8)


@asynccontextmanager
async def peer(
    address: str,
    settings: dict[int, int] | None = None,
    *,
    greet: bool = True,
    source: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Peer]:
    """A connection from an address of loopback, on which the preface and settings were said."""
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, local_addr=(source, 0))
    made = Peer(reader, writer)
    try:
        if greet:
            made.send_bytes(PREFACE)
            made.send(SettingsFrame(0, settings=settings or {}))
            await made.until(SettingsFrame)
            made.send(SettingsFrame(0, flags=["ACK"]))
        yield made
    finally:
        writer.close()
