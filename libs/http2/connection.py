"""One connection: frames in, frames out, and what a client may not do with them.

What is in DATA frames, and the windows for what comes, are kept here; all else is h2's: it is given every other frame, and of
a DATA frame that ends a stream an empty one. So h2 knows each stream's state, and never sees a payload.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import FlowControlError, ProtocolError
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream

from libs.http2.admission import Place
from libs.http2.call import Call
from libs.http2.ending import Headers, stalled, too_old, unknown
from libs.http2.frames import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
)
from libs.http2.limits import (
    CONNECTION_WINDOW,
    DECODED_HEADER_BYTES,
    FRAME_BYTES,
    MAX_HEADER_BYTES,
    STREAM_WINDOW,
    UNFINISHED_BYTES,
    UNREAD_BYTES,
    Limits,
    Nuisance,
)
from libs.http2.reader import FrameReader, NoHttp2, unpadded
from libs.http2.request import NoGrpc, parse_request
from libs.rpc.errors import TertuliaError

_NOT_HTTP2 = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks gRPC, that is HTTP/2.\n"

_COSTS = {HEADERS: 0, RST_STREAM: 10, SETTINGS: 10, PING: 10, PRIORITY: 10}
"""In tokens of `Nuisance`; all other frames cost 1, and DATA nothing unless they hold nothing."""

_MAX_SETTINGS = 64  # ten are known to anybody; h2 keeps the others, too
_HEADER_TABLE_BYTES = (
    4_096  # of what we have said in headers: HTTP/2's default, and each header is looked for in all of it
)

_PING_SECONDS = 30.0  # of silence, before we ask whether the client is still there
_PONG_SECONDS = 10.0  # and before we believe that it is not
_STALL_SECONDS = 60.0  # of one message that is written, or of a whole connection; sessions end sooner
_IDLE_SECONDS = 300.0  # without a call: gRPC's clients connect again by themselves
_LINGER_SECONDS = 1.0  # in which a client that is turned away may read why

_CONFIG = H2Configuration(
    client_side=False,
    header_encoding=None,
    validate_inbound_headers=False,  # `parse_request` does, for here they would end the connection, and not their call
    validate_outbound_headers=False,
    normalize_outbound_headers=False,
)


class Connection(asyncio.Protocol):
    """A client's connection. `on_call` starts a call's task; `all_connections` holds each that is open and has shaken hands."""

    def __init__(
        self,
        limits: Limits,
        all_connections: set["Connection"],
        on_call: Callable[[Call], asyncio.Task[None]],
        place: Place,
    ) -> None:
        self.calls: dict[int, Call] = {}
        self.blocked: set[Call] = set()
        """Calls that wait for room to write."""
        self._limits = limits
        self._all = all_connections
        self._on_call = on_call
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._h2: H2Connection  # made when it is there: with TLS that takes a while, and of some it never is
        self._transport: asyncio.Transport
        self._reader = FrameReader()
        self._halfway = False  # through what came: the rest is for the next turn
        self._draining = False
        self._window = CONNECTION_WINDOW
        self._owed = 0
        self._lent = 0
        self._unread = 0
        now = self._loop.time()
        self._nuisance = Nuisance(now)
        self._heard_at = now
        self._pinged = False
        self._unknown_until = now + limits.unauthenticated_seconds
        self._old_at = now + limits.max_age_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        self._busy_at = now
        self._paused_at = 0.0
        self._closing_at = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        self._h2 = _new_h2(self._limits)
        if self._place.gone:  # it was hung up on just then
            self.abort()
            return
        self._place.hang_up = self.abort
        self._all.add(self)
        plug = transport.get_extra_info("socket")
        if plug is not None and plug.family != socket.AF_UNIX:
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio leaves it off for some listeners
        self._h2.initiate_connection()
        self._h2.receive_data(PREFACE)  # the reader hears that of the client
        self._flush()
        self.grant(0, CONNECTION_WINDOW - STREAM_WINDOW)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it went matters to nobody
        self._all.discard(self)
        self._place.leave()
        self._lose_calls()
        # it holds itself by these methods of its own, and what the collector has to find stays for minutes: `keep_memory_settled`
        self._h2._frame_dispatch_table.clear()  # noqa: SLF001 - h2 has no door for this; nothing is heard any more

    def pause_writing(self) -> None:
        """The client does not read: hear nothing more of it either, so that it cannot make us answer without end."""
        self._paused_at = self._loop.time()
        if not self._closing_at:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused_at = 0.0
        self._heard_at = self._loop.time()  # it reads, so it is there; what it said meanwhile was not heard
        self._read_on()
        self._unblock_all()

    def data_received(self, data: bytes) -> None:
        if self._closing_at:
            return
        self._heard_at = self._loop.time()
        self._pinged = False
        self._hear(data)

    # what calls need

    @property
    def client_names(self) -> frozenset[str] | None:
        """The DNS names in the client's certificate; none where it has shown none. None: there is no TLS."""
        if self._transport.get_extra_info("sslcontext") is None:
            return None
        certificate = self._transport.get_extra_info("peercert") or {}
        return frozenset(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")

    def authenticated(self) -> None:
        """It is known who the client is."""
        self._place.authenticated()

    def room_of(self, stream: H2Stream) -> int:
        """How much one frame of DATA may hold now."""
        if self._paused_at:
            return 0
        h2 = self._h2
        return min(stream.outbound_flow_control_window, h2.outbound_flow_control_window, h2.max_outbound_frame_size)

    def take_room(self, stream: H2Stream, count: int) -> None:
        stream.outbound_flow_control_window -= count
        self._h2.outbound_flow_control_window -= count

    def write(self, data: bytes) -> None:
        """Write a frame."""
        if not self._closing_at:
            self._transport.write(data)

    def write_frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        self.write(frame(kind, flags, stream_id, payload))

    def write_headers(self, stream_id: int, headers: Headers, *, end: bool) -> None:
        self._h2.send_headers(stream_id, headers, end_stream=end)
        self._flush()

    def reset(self, call: Call, code: ErrorCodes) -> None:
        self._h2.reset_stream(call.id, code)
        self._flush()

    def grant(self, stream_id: int, count: int) -> None:
        """Let the client send so much more."""
        self.write_frame(WINDOW_UPDATE, 0, stream_id, count.to_bytes(4))

    def release(self, count: int) -> None:
        """So much of what came is held no more."""
        self._owed += count
        if self._owed >= CONNECTION_WINDOW // 2:
            self._window += self._owed
            self.grant(0, self._owed)
            self._owed = 0

    def lend(self, count: int) -> bool:
        """So much more, or less, is held that is given back to the windows already. False: it would be too much."""
        if count > UNFINISHED_BYTES - self._lent:
            return False
        self._lent += count
        return True

    def hold(self, count: int) -> bool:
        """So much more, or less, of answers waits to be read. False: it would be too much."""
        if count > UNREAD_BYTES - self._unread:
            return False
        self._unread += count
        return True

    def forget(self, call: Call) -> None:
        """The call has ended."""
        self.calls.pop(call.id, None)
        self.blocked.discard(call)
        self._busy_at = self._loop.time()
        if self._draining and not self.calls:
            self._close()

    # what the server needs

    def drain(self) -> None:
        """Take no new call; close when those that are open have ended."""
        if not self._draining:
            self._draining = True
            last = self._h2.highest_inbound_stream_id
            self.write_frame(GOAWAY, 0, 0, struct.pack("!II", last, ErrorCodes.NO_ERROR))
        if not self.calls:
            self._close()

    def look_after(self, now: float) -> None:
        """Called now and then, with the loop's time: end what is dead, stalled or idle, and let the old go."""
        if now > self._old_at and not self._closing_at:
            self.drain()  # its client connects again, and finds servers that are new
            if now > self._old_at + self._limits.grace_seconds:
                self._cut(too_old())
        if now > self._unknown_until and self._place.unknown and not self._closing_at:
            self.drain()
            self._cut(unknown())
        silent = now - self._heard_at
        if self._closing_at:
            if now - self._closing_at > _PONG_SECONDS:
                self.abort()
        elif self._paused_at:  # nothing is heard of it meanwhile
            if now - self._paused_at > _STALL_SECONDS:
                self.abort()
        elif silent > _PING_SECONDS + _PONG_SECONDS:
            self.abort()
        elif silent > _PING_SECONDS and not self._pinged:
            self._pinged = True
            self.write_frame(PING, 0, 0, b"tertulia")
        elif not self.calls and now - self._busy_at > (
            _IDLE_SECONDS if self._reader.greeted else self._limits.greeting_seconds
        ):
            self.drain()
        else:
            for call in [call for call in self.blocked if now - call.blocked_at > _STALL_SECONDS]:
                call.cut(stalled())

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    # frames

    def _hear(self, data: bytes) -> None:
        try:
            if not self._reader.read(data, self._on_data, self._on_other):
                self._wait_for_next_turn()
        except NoHttp2:
            self.write(_NOT_HTTP2)
            self._turn_away()
        except ProtocolError as error:
            self._fail(ErrorCodes(error.error_code))

    def _wait_for_next_turn(self) -> None:
        if not self._halfway:
            self._halfway = True
            self._transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Hear what the last turn has left, and then read on."""
        self._halfway = False
        if not self._transport.is_closing():
            try:
                self._hear(b"")
            except Exception:  # a fault of ours; in `data_received` it would have closed the connection, too
                self.abort()
                raise
        self._read_on()

    def _read_on(self) -> None:
        """Unless something is in the way. Of a client that is turned away, too, what it says is read, and dropped."""
        if not (self._halfway or self._paused_at or self._transport.is_closing()):
            self._transport.resume_reading()

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._window -= size
        body = unpadded(flags, payload)
        call = self.calls.get(stream_id)
        if call is None or call.half_closed:
            if call is not None or not 0 < stream_id <= self._h2.highest_inbound_stream_id:
                raise ProtocolError("DATA on a stream that is not open")
            self.release(size)  # a call that has ended: what was under way then is dropped
        elif not call.received(body, size):
            raise FlowControlError("more DATA than the stream's window allows")
        if self._window < 0:
            raise FlowControlError("more DATA than the connection's window allows")
        if flags & END_STREAM and call is not None:
            self._on_other(DATA, frame(DATA, END_STREAM, stream_id, b""))
        elif not body:
            self._spend(10)

    def _on_other(self, kind: int, whole: bytes) -> None:
        self._spend(_COSTS.get(kind, 1))
        if kind == GOAWAY and not self._reader.in_headers:
            return  # it will open no more calls; h2 would refuse to end those that are open
        for event in self._h2.receive_data(whole):
            self._on_event(event)
        self._flush()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, WindowUpdated):
            call = self.calls.get(event.stream_id or 0)
            if call is not None:
                self._unblock(call)
            elif not event.stream_id:
                self._unblock_all()
        elif isinstance(event, RequestReceived):
            self._on_request(event)
        elif isinstance(event, StreamEnded):
            if event.stream_id in self.calls:
                self.calls[event.stream_id].ended()
        elif isinstance(event, StreamReset):
            if event.stream_id in self.calls:
                call = self.calls[event.stream_id]
                call.cancel()
                self.forget(call)
        elif isinstance(event, RemoteSettingsChanged):
            self._bound_settings()
            self._unblock_all()

    def _on_request(self, event: RequestReceived) -> None:
        stream_id = event.stream_id
        if self._draining:
            self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            return
        try:
            request = parse_request(event.headers)
        except NoGrpc as no_grpc:
            self._h2.send_headers(stream_id, [(b":status", str(no_grpc.status).encode())], end_stream=True)
            if event.stream_ended is None:
                self._h2.reset_stream(stream_id, ErrorCodes.NO_ERROR)
            return
        stream = self._h2.streams[stream_id]
        stream._expected_content_length = None  # noqa: SLF001 - h2 sees no payload that it could count
        call = Call(self, stream, request, self._limits.max_message_bytes)
        self.calls[stream_id] = call
        call.task = self._on_call(call)

    def _bound_settings(self) -> None:
        """h2 keeps every setting that it is told, and would keep as many headers as the client allows."""
        if len(self._h2.remote_settings) > _MAX_SETTINGS:
            raise _TooMuchNuisance("too many frames that carry nothing")
        encoder = self._h2.encoder
        encoder.header_table_size = min(encoder.header_table_size, _HEADER_TABLE_BYTES)
        if changes := encoder.table_size_changes:  # RFC 7541, 4.2: the smallest of them is to be told, and the last
            changes[:] = [min(changes), encoder.header_table_size]

    def _spend(self, tokens: int) -> None:
        if tokens and not self._nuisance.spend(tokens, self._heard_at):
            raise _TooMuchNuisance("too many frames that carry nothing")

    def _unblock(self, call: Call) -> None:
        self.blocked.discard(call)
        call.unblock()

    def _unblock_all(self) -> None:
        blocked, self.blocked = self.blocked, set()
        for call in blocked:
            call.unblock()

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self.write(data)

    def _fail(self, code: ErrorCodes) -> None:
        """The client broke the protocol: say so and hang up."""
        self._h2.clear_outbound_data_buffer()
        last = self._h2.highest_inbound_stream_id
        self.write_frame(GOAWAY, 0, 0, struct.pack("!II", last, code))
        self._turn_away()

    def _turn_away(self) -> None:
        """Say no more, and hang up a little later: with data unread, TCP would reset what was said last."""
        if self._closing_at:
            return
        self._lose_calls()
        if self._transport.can_write_eof():
            self._transport.write_eof()
            self._loop.call_later(_LINGER_SECONDS, self._transport.abort)
        else:
            self._transport.close()

    def _cut(self, error: TertuliaError) -> None:
        """End all calls."""
        for call in list(self.calls.values()):
            call.cut(error)

    def _close(self) -> None:
        """Hang up when what is written has left; calls that are open are lost."""
        if not self._closing_at:
            self._lose_calls()
            self._transport.close()

    def _lose_calls(self) -> None:
        self._closing_at = self._loop.time()
        self._reader.stop()
        for call in list(self.calls.values()):
            call.cancel()
        self.calls.clear()
        self.blocked.clear()


class _TooMuchNuisance(ProtocolError):
    error_code = ErrorCodes.ENHANCE_YOUR_CALM


def _new_h2(limits: Limits) -> H2Connection:
    h2 = H2Connection(_CONFIG)
    h2.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_streams,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_BYTES,
            SettingCodes.MAX_FRAME_SIZE: FRAME_BYTES,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        },
    )
    h2.decoder.max_header_list_size = DECODED_HEADER_BYTES
    return h2
