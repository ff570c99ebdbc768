"""A client's end of a connection: just enough of HTTP/2 to carry gRPC streams cheaply to servers of this library.

grpc.aio takes some 150 µs of CPU for a message on a stream, and three times as much for a unary call; this takes 15. It keeps
to the protocol where the server can tell: flow control both ways, pings answered, settings acknowledged. Of what it receives
it knows what our servers send: no padding, no headers in pieces.
"""

import asyncio
import ssl
import struct
from collections.abc import Callable, Sequence
from typing import cast

from hpack import Decoder, Encoder

from libs.http2.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEAD,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from libs.http2.messages import Messages
from libs.rpc.client import MAX_MESSAGE_BYTES

_HEAD_BYTES = HEAD.size
_MESSAGE = struct.Struct("!BI")  # compressed, length

_INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE = 4, 5

_DEFAULT_WINDOW = 65_535  # RFC 9113, 6.9.2
_DEFAULT_FRAME = 16_384
_STREAM_WINDOW = 1024 * 1024  # what a stream may receive before it grants more, and a connection:
_CONNECTION_WINDOW = 16 * 1024 * 1024
_CONNECT_SECONDS = 10.0


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
        self._messages = Messages(MAX_MESSAGE_BYTES)
        self._unacknowledged = 0
        self._outgoing = bytearray()
        self._window = connection.initial_window

    @property
    def unsent_bytes(self) -> int:
        """What waits for the server to read."""
        return len(self._outgoing)

    def send(self, message: bytes) -> None:
        """Send a message, or what the windows allow of it now and the rest when they open.

        Raises:
            StreamEnded: the connection is gone.
        """
        self._outgoing += _MESSAGE.pack(0, len(message))
        self._outgoing += message
        self.flush()

    def flush(self) -> None:
        while self._outgoing:
            size = min(len(self._outgoing), self._window, self._connection.window, self._connection.max_frame)
            if size <= 0:
                self._connection.blocked.add(self)
                return
            self._connection.write(DATA, 0, self._id, bytes(self._outgoing[:size]))
            del self._outgoing[:size]
            self._window -= size
            self._connection.window -= size

    def end(self) -> None:
        """Send no more."""
        self._connection.write(DATA, END_STREAM, self._id, b"")

    def widen(self, size: int) -> None:
        self._window += size

    def received(self, payload: bytes) -> None:
        self._messages.add(payload)
        while (message := self._messages.take()) is not None:
            self._on_message(message)
        if self._messages.error is not None:
            self._connection.abort()
        self._unacknowledged += len(payload)
        if self._unacknowledged > _STREAM_WINDOW // 2:
            self._connection.grant(self._id, self._unacknowledged)
            self._unacknowledged = 0

    def finish(self, status: str) -> None:
        if not self.ended.done():
            self.ended.set_result(status)


class Connection(asyncio.Protocol):
    """A connection that carries calls. Made by `connect`, where its parameters are explained."""

    def __init__(self, authority: str, clock: Callable[[], float], frame_bytes: int) -> None:
        self.received_at: float = clock()
        """When the bytes that are handled just now were read, or those before."""
        self.on_drain: Callable[[], None] = lambda: None
        """Called when the server takes no new call."""
        self.initial_window = _DEFAULT_WINDOW
        self.window = _DEFAULT_WINDOW
        self.max_frame = _DEFAULT_FRAME
        self.blocked: set[Stream] = set()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._authority = authority
        self._clock = clock
        self._frame_bytes = frame_bytes
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
        self.write(HEADERS, END_HEADERS, self._next_id, self._encoder.encode(headers))
        self._next_id += 2
        return stream

    def ping(self) -> None:
        """Ask whether the server is still there: it answers, so that `received_at` moves."""
        self.write(PING, 0, 0, b"tertulia")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def write(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._transport is None:
            raise StreamEnded("not connected")
        self._transport.write(frame(kind, flags, stream_id, payload))

    def grant(self, stream_id: int, size: int) -> None:
        self.write(WINDOW_UPDATE, 0, stream_id, size.to_bytes(4))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._transport.write(PREFACE)
        self.write(
            SETTINGS,
            0,
            0,
            struct.pack("!HIHI", _INITIAL_WINDOW_SIZE, _STREAM_WINDOW, _MAX_FRAME_SIZE, self._frame_bytes),
        )
        self.grant(0, _CONNECTION_WINDOW - _DEFAULT_WINDOW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for stream in self._streams.values():
            stream.finish(f"connection lost: {exc}")
        self._streams.clear()
        if not self.ready.done():
            self.ready.set_exception(
                StreamEnded(
                    "the server closed the connection before it said anything; over TLS it may not believe our certificate"
                )
            )

    def data_received(self, data: bytes) -> None:
        self.received_at = self._clock()
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= _HEAD_BYTES and self._transport is not None:
            high, low, kind, flags, stream_id = HEAD.unpack_from(data, at)
            next_at = at + _HEAD_BYTES + (high << 16 | low)
            if next_at > end:
                break
            payload = data[at + _HEAD_BYTES : next_at]
            at = next_at
            if kind == DATA:
                self._on_data(stream_id, flags, payload)
            else:
                self._on_control(kind, flags, stream_id, payload)
        self._rest = data[at:]

    def _on_data(self, stream_id: int, flags: int, payload: bytes) -> None:
        if flags & PADDED:
            raise NotImplementedError("padding")
        stream = self._streams.get(stream_id)
        if stream is not None and payload:
            stream.received(payload)
        self._unacknowledged += len(payload)
        if self._unacknowledged > _CONNECTION_WINDOW // 2:
            self.grant(0, self._unacknowledged)
            self._unacknowledged = 0
        if flags & END_STREAM:
            self._finish(stream_id, "ended without a status")

    def _on_control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == HEADERS:
            self._on_headers(flags, stream_id, payload)
        elif kind == RST_STREAM:
            self._finish(stream_id, f"reset with HTTP/2 error {int.from_bytes(payload)}")
        elif kind == SETTINGS and not flags & ACK:
            self._on_settings(payload)
        elif kind == PING and not flags & ACK:
            self.write(PING, ACK, 0, payload)
        elif kind == WINDOW_UPDATE:
            self._on_window_update(stream_id, int.from_bytes(payload))
        elif kind == GOAWAY:
            self.on_drain()

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & PADDED or not flags & END_HEADERS:
            raise NotImplementedError("padding, continuation")
        headers = {str(name): str(value) for name, value in self._decoder.decode(payload)}
        if flags & END_STREAM:
            self._finish(stream_id, f"{headers.get('grpc-status')} {headers.get('grpc-message', '')}".strip())

    def _on_settings(self, payload: bytes) -> None:
        for identifier, value in struct.iter_unpack("!HI", payload):
            if identifier == _INITIAL_WINDOW_SIZE:
                for stream in self._streams.values():
                    stream.widen(value - self.initial_window)
                self.initial_window = value
            elif identifier == _MAX_FRAME_SIZE:
                self.max_frame = value
        self.write(SETTINGS, ACK, 0, b"")
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
            self.blocked.discard(stream)
            stream.finish(status)


async def connect(
    address: str,
    clock: Callable[[], float],
    frame_bytes: int = _DEFAULT_FRAME,
    tls: ssl.SSLContext | None = None,
    server_name: str = "",
) -> Connection:
    """Connect to `host:port`, `dns:///name:port` or `unix:/path`.

    `clock` tells time in any unit; `frame_bytes` is the largest frame that the server may send. With `tls` the server's
    certificate must be for `server_name`.

    Raises:
        OSError, TimeoutError, StreamEnded: nobody answers there, or one of us does not believe the other.
    """
    loop = asyncio.get_running_loop()
    name = server_name if tls is not None else None
    async with asyncio.timeout(_CONNECT_SECONDS):
        if address.startswith("unix:"):
            path = address.removeprefix("unix:")
            transport, connection = await loop.create_unix_connection(
                lambda: Connection("localhost", clock, frame_bytes), path, ssl=tls, server_hostname=name
            )
        else:
            authority = address.removeprefix("dns:///")
            host, _, port = authority.rpartition(":")
            transport, connection = await loop.create_connection(
                lambda: Connection(authority, clock, frame_bytes),
                host.strip("[]"),
                int(port),
                ssl=tls,
                server_hostname=name,
            )
        try:
            await connection.ready
        except BaseException:
            transport.abort()
            raise
    return connection
