"""Just enough of an HTTP/2 client to carry gRPC streams cheaply.

A load generator must cost less than what it measures. grpc.aio takes some 50 µs of CPU for a message read or written, on
two cores shared with the servers; this takes a tenth. It keeps to the protocol where the servers can tell: flow control
both ways with windows as grpcio's clients have them, pings answered, settings acknowledged.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import cast

from hpack import Decoder, Encoder

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER = struct.Struct("!BHBBI")  # length (24 bits), type, flags, stream
_MESSAGE = struct.Struct("!BI")  # compressed, length

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS, _PADDED = 1, 1, 4, 8
_INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 4, 5

_DEFAULT_WINDOW = 65_535  # RFC 9113, 6.9.2
_DEFAULT_FRAME = 16_384
_STREAM_WINDOW = 1024 * 1024  # what a stream may receive before it grants more, and a connection:
_CONNECTION_WINDOW = 16 * 1024 * 1024


class StreamEnded(Exception):
    """The server ended a stream, or the connection went."""


class Stream:
    """One gRPC call. `on_message` is called with each message of the server."""

    def __init__(self, connection: "Connection", stream_id: int, on_message: Callable[[bytes], None]) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Its result is the status with which the server ended it: "0" is OK."""
        self._connection = connection
        self._id = stream_id
        self._on_message = on_message
        self._incoming = b""
        self._unacknowledged = 0
        self._outgoing = b""
        self._window = connection.initial_window

    def send(self, message: bytes) -> None:
        """Send a message, or what the windows allow of it now and the rest when they open."""
        self._outgoing += _MESSAGE.pack(0, len(message)) + message
        self.flush()

    def flush(self) -> None:
        while self._outgoing:
            size = min(len(self._outgoing), self._window, self._connection.window, self._connection.max_frame)
            if size <= 0:
                self._connection.blocked.add(self)
                return
            self._connection.write(_DATA, 0, self._id, self._outgoing[:size])
            self._outgoing = self._outgoing[size:]
            self._window -= size
            self._connection.window -= size

    def end(self) -> None:
        """Send no more."""
        self._connection.write(_DATA, _END_STREAM, self._id, b"")

    def widen(self, size: int) -> None:
        self._window += size

    def received(self, payload: bytes) -> None:
        if not self._incoming and len(payload) >= 5 and int.from_bytes(payload[1:5]) == len(payload) - 5:
            self._on_message(payload[5:])  # as nearly always: a message is a frame
        else:
            self._incoming += payload
            while len(self._incoming) >= 5:
                end = 5 + int.from_bytes(self._incoming[1:5])
                if len(self._incoming) < end:
                    break
                message, self._incoming = self._incoming[5:end], self._incoming[end:]
                self._on_message(message)
        self._unacknowledged += len(payload)
        if self._unacknowledged > _STREAM_WINDOW // 2:
            self._connection.grant(self._id, self._unacknowledged)
            self._unacknowledged = 0

    def finish(self, status: str) -> None:
        if not self.ended.done():
            self.ended.set_result(status)


class Connection(asyncio.Protocol):
    """A connection that carries calls. Made by `connect`."""

    def __init__(self, authority: str, clock: Callable[[], int]) -> None:
        self.received_ns = 0
        """When the bytes that are handled just now were read."""
        self.initial_window = _DEFAULT_WINDOW
        self.window = _DEFAULT_WINDOW
        self.max_frame = _DEFAULT_FRAME
        self.blocked: set[Stream] = set()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._authority = authority
        self._clock = clock
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._rest = b""
        self._unacknowledged = 0
        self._transport: asyncio.Transport | None = None

    def call(self, path: str, metadata: Sequence[tuple[str, str]], on_message: Callable[[bytes], None]) -> Stream:
        """Begin a call."""
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", self._authority),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *metadata,
        ]
        stream = self._streams[self._next_id] = Stream(self, self._next_id, on_message)
        self.write(_HEADERS, _END_HEADERS, self._next_id, self._encoder.encode(headers))
        self._next_id += 2
        return stream

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def write(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._transport is None:
            raise StreamEnded("not connected")
        length = len(payload)
        self._transport.write(_HEADER.pack(length >> 16, length & 0xFFFF, kind, flags, stream_id) + payload)

    def grant(self, stream_id: int, size: int) -> None:
        self.write(_WINDOW_UPDATE, 0, stream_id, size.to_bytes(4))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._transport.write(_PREFACE)
        self.write(_SETTINGS, 0, 0, struct.pack("!HI", _INITIAL_WINDOW_SIZE, _STREAM_WINDOW))
        self.grant(0, _CONNECTION_WINDOW - _DEFAULT_WINDOW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for stream in self._streams.values():
            stream.finish(f"connection lost: {exc}")
        self._streams.clear()
        if not self.ready.done():
            self.ready.set_exception(StreamEnded("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self.received_ns = self._clock()
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 9:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(data, at)
            next_at = at + 9 + (high << 16 | low)
            if next_at > end:
                break
            payload = data[at + 9 : next_at]
            at = next_at
            if kind == _DATA:
                self._on_data(stream_id, flags, payload)
            else:
                self._on_control(kind, flags, stream_id, payload)
        self._rest = data[at:]

    def _on_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        if flags & _PADDED:
            raise NotImplementedError("padding")
        stream = self._streams.get(stream_id)
        if stream is not None and payload:
            stream.received(payload)
        self._unacknowledged += len(payload)
        if self._unacknowledged > _CONNECTION_WINDOW // 2:
            self.grant(0, self._unacknowledged)
            self._unacknowledged = 0
        if flags & _END_STREAM:
            self._finish(stream_id, "ended without a status")

    def _on_control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == _HEADERS:
            self._on_headers(flags, stream_id, payload)
        elif kind == _RST_STREAM:
            self._finish(stream_id, f"reset with HTTP/2 error {int.from_bytes(payload)}")
        elif kind == _SETTINGS and not flags & _ACK:
            self._on_settings(payload)
        elif kind == _PING and not flags & _ACK:
            self.write(_PING, _ACK, 0, payload)
        elif kind == _WINDOW_UPDATE:
            self._on_window_update(stream_id, int.from_bytes(payload))
        elif kind == _GOAWAY:
            for goes in list(self._streams):
                self._finish(goes, f"the server sent GOAWAY: {payload[8:].decode(errors='replace')}")

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & _PADDED or not flags & _END_HEADERS:
            raise NotImplementedError("padding, continuation")
        headers = {str(name): str(value) for name, value in self._decoder.decode(payload)}
        if flags & _END_STREAM:
            self._finish(stream_id, f"{headers.get('grpc-status')} {headers.get('grpc-message', '')}".strip())

    def _on_settings(self, payload: bytes) -> None:
        for identifier, value in struct.iter_unpack("!HI", payload):
            if identifier == _INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.widen(value - self.initial_window)
                self.initial_window = value
            elif identifier == _MAX_FRAME_SIZE:
                self.max_frame = value
        self.write(_SETTINGS, _ACK, 0, b"")
        self._unblock()
        if not self.ready.done():
            self.ready.set_result(None)

    def _on_window_update(self, stream_id: int, size: int) -> None:
        if stream_id == 0:
            self.window += size
        elif stream_id in self._streams:
            self._streams[stream_id].widen(size)
        self._unblock()

    def _unblock(self) -> None:
        blocked, self.blocked = self.blocked, set()
        for stream in blocked:
            stream.flush()

    def _finish(self, stream_id: int, status: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.finish(status)


async def connect(address: str, clock: Callable[[], int]) -> Connection:
    """Connect to `host:port`. `clock` tells nanoseconds.

    Raises:
        OSError, TimeoutError, StreamEnded: nobody answers there.
    """
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        _, connection = await loop.create_connection(lambda: Connection(address, clock), host, int(port))
        await connection.ready
    return connection
