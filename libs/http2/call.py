"""One call, as its handler sees it."""

import asyncio
import struct
from typing import TYPE_CHECKING

from h2.errors import ErrorCodes
from h2.stream import H2Stream
from tertulia.chat.v1 import error_pb2

from libs.http2.ending import BEGINNING, OK, Headers, ending_of
from libs.http2.limits import STREAM_WINDOW
from libs.http2.messages import PREFIX_BYTES, Messages
from libs.http2.request import Metadata, Request
from libs.rpc.errors import InvalidArgument, ResourceExhausted, TertuliaError
from libs.rpc.transport import TransportGone

if TYPE_CHECKING:
    from libs.http2.connection import Connection

_PREFIX = struct.Struct("!BI")  # compressed, length
_DATA_AND_PREFIX = struct.Struct("!BHBBIBI")  # length (24 bits), type, flags, stream; and the prefix
_RETRY_MS = 1_000
_REQUEST_SECONDS = 10.0  # for the one message of a unary call whose headers have come


class Call:
    """A `Transport` with the metadata of its call. Once the client is gone, its task is cancelled."""

    __slots__ = ("_began", "_blocked", "_connection", "_ended", "_h2", "_held", "_lent", "_messages", "_owed", "_reader",
                 "_window", "blocked_at", "gone", "id", "request", "task")  # fmt: skip

    def __init__(self, connection: "Connection", h2_stream: H2Stream, request: Request, max_message: int) -> None:
        self.id = h2_stream.stream_id
        self.request = request
        self.gone = False
        """Nothing can be written or read any more."""
        self.task: asyncio.Task[None] | None = None
        self.blocked_at = 0.0
        """The loop's time when the message began to wait for room that is being written; 0: none waits."""
        self._connection = connection
        self._h2 = h2_stream
        self._messages = Messages(max_message)
        self._window = STREAM_WINDOW
        self._held = 0
        """Bytes that came, were not read yet, and keep the windows as much smaller."""
        self._lent = 0
        """Bytes that were not read yet either, but given back to the windows: the first of the message that is read next."""
        self._owed = 0
        """Bytes that were given back and not granted again yet."""
        self._ended = False
        self._began = False
        self._reader: asyncio.Future[None] | None = None
        self._blocked: asyncio.Future[None] | None = None

    @property
    def metadata(self) -> Metadata:
        return self.request.metadata

    @property
    def client_names(self) -> frozenset[str] | None:
        """As `Connection.client_names`."""
        return self._connection.client_names

    def authenticated(self) -> None:
        """It is known who the client is. What limits there are for unknown ones, its connection is free of them."""
        self._connection.authenticated()

    async def read(self) -> bytes | None:
        """As `Transport.read`."""
        while (message := self._messages.take()) is None:
            if self.gone:
                raise TransportGone
            if self._messages.error is not None:
                raise self._messages.error
            if self._ended:
                return None
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if not self.gone:  # else it was given back then
            size = PREFIX_BYTES + len(message)
            if self._lent:
                size -= self._repay(size)
            self._release(size)
            if self._held:
                self._lend()
        return message

    async def only_message(self) -> bytes:
        """The one message that the client of a unary call sends.

        Raises:
            InvalidArgument: FRAME_INVALID: there was none, or not in time.
            TertuliaError, TransportGone: as `read`.
        """
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                message = await self.read()
        except TimeoutError:
            raise _no_message("the request did not come in time") from None
        if message is None:
            raise _no_message("the call ended without a request")
        return message

    async def write(self, data: bytes) -> None:
        """As `Transport.write`."""
        if self.gone:
            raise TransportGone
        if not self._began:
            self._began = True
            self._connection.write_headers(self.id, BEGINNING, end=False)
        connection, size = self._connection, PREFIX_BYTES + len(data)
        if size <= connection.room_of(self._h2):
            connection.take_room(self._h2, size)
            connection.write(_DATA_AND_PREFIX.pack(size >> 16, size & 0xFFFF, 0, 0, self.id, 0, len(data)) + data)
        else:
            await self._write_in_pieces(_PREFIX.pack(0, len(data)) + data)

    async def answer(self, data: bytes) -> None:
        """Write the one message of a unary call.

        Raises:
            TransportGone: see there.
            ResourceExhausted: OVERLOADED: too much waits already that the client does not read.
        """
        size = PREFIX_BYTES + len(data)
        if size <= self._connection.room_of(self._h2):
            await self.write(data)
            return
        if not self._connection.hold(size):
            raise _too_much_unread()
        try:
            await self.write(data)
        finally:
            self._connection.hold(-size)

    async def _write_in_pieces(self, data: bytes) -> None:
        connection, loop = self._connection, asyncio.get_running_loop()
        self.blocked_at = 0.0
        at = 0
        while at < len(data):
            if self.gone:
                raise TransportGone
            room = connection.room_of(self._h2)
            if room <= 0:
                self._blocked = loop.create_future()
                self.blocked_at = self.blocked_at or loop.time()
                connection.blocked.add(self)
                await self._blocked
                continue
            piece = data[at : at + room]
            connection.take_room(self._h2, len(piece))
            connection.write_frame(0, 0, self.id, piece)
            at += len(piece)

    def finish(self, error: TertuliaError | None) -> None:
        """End the call; nothing may be written or read any more."""
        if self.gone:
            return
        ending: Headers = OK if error is None else ending_of(error)
        if not self._began:
            ending = (*BEGINNING, *ending)
        self._connection.write_headers(self.id, ending, end=True)
        if not self._ended:  # it may stop sending, too
            self._connection.reset(self, ErrorCodes.NO_ERROR)
        self.lost()
        self._connection.forget(self)

    def cut(self, error: TertuliaError) -> None:
        """End the call from outside of its handler, which is cancelled."""
        self.finish(error)
        self.cancel()

    # What follows is the connection's side.

    def received(self, data: bytes, counted: int) -> bool:
        """A piece of the stream came, which counts so many bytes. False: the client sent more than it may."""
        self._window -= counted
        self._held += counted
        if counted > len(data):  # padding
            self._release(counted - len(data))
        if self._messages.add(data):
            _wake(self._reader)
        else:
            self._lend()
        return self._window >= 0

    def ended(self) -> None:
        """The client sends no more."""
        self._ended = True
        self._messages.end()
        _wake(self._reader)

    @property
    def half_closed(self) -> bool:
        return self._ended

    def lost(self) -> None:
        """The client or the connection is gone, or the call has ended."""
        self.gone = True
        if self._held:
            self._connection.release(self._held)
            self._held = 0
        self._repay(self._lent)
        _wake(self._reader)
        self.unblock()

    def cancel(self) -> None:
        """The client wants no answer any more."""
        self.lost()
        if self.task is not None:
            self.task.cancel()
            self.task = None  # it holds this call, too

    def unblock(self) -> None:
        """There may be room to write again."""
        _wake(self._blocked)

    def _lend(self) -> None:
        """Give the beginning of a message back before it is read, for the message may be larger than the window.

        Only of the one that is read next: else a client could have message after message held here without being read.
        """
        messages = self._messages
        if messages.waiting:
            return
        if messages.error is None and not self._connection.lend(self._held):
            messages.refuse(_too_much_unfinished())
            _wake(self._reader)
        elif messages.error is None:
            self._lent += self._held
        if messages.error is not None:  # then nothing of it is held
            self._repay(self._lent)
        self._release(self._held)

    def _repay(self, most: int) -> int:
        """So much, at most, of what was lent is held no more; how much it was."""
        count = min(most, self._lent)
        self._lent -= count
        self._connection.lend(-count)
        return count

    def _release(self, count: int) -> None:
        """Let the client send so much more, once it is worth a frame."""
        self._held -= count
        self._connection.release(count)
        self._owed += count
        if self._owed >= STREAM_WINDOW // 2 and not self._ended:
            self._connection.grant(self.id, self._owed)
            self._window += self._owed
            self._owed = 0


def _no_message(what: str) -> InvalidArgument:
    return InvalidArgument(what, error_pb2.ERROR_REASON_FRAME_INVALID)


def _too_much_unfinished() -> ResourceExhausted:
    return ResourceExhausted(
        "too many large messages are under way on this connection; send fewer at a time",
        error_pb2.ERROR_REASON_OVERLOADED,
    )


def _too_much_unread() -> ResourceExhausted:
    return ResourceExhausted(
        "too many answers wait on this connection to be read; whether this was done is unknown: read them, and try again",
        error_pb2.ERROR_REASON_OVERLOADED,
        retry_after_ms=_RETRY_MS,
    )


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
