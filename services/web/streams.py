"""The open streams: what waits for each, bounded in bytes and joined; heartbeats; goodbyes.

Frames of the gateway, put one behind the other, are one frame. So what comes while a write is under way is the next write,
an empty frame is a heartbeat, and a goodbye can be put behind anything.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Protocol

from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import Unavailable
from services.web.stats import Stats

_LOOK_SECONDS = 1.0  # how late a heartbeat may be
_RETRY_MS = 1_000


def _goodbye(code: session_pb2.GoodbyeCode.ValueType, message: str) -> bytes:
    goodbye = session_pb2.Goodbye(code=code, reconnect=True, message=message)
    return session_pb2.ServerFrame(notices=[session_pb2.Notice(goodbye=goodbye)]).SerializeToString()


_DRAIN = _goodbye(session_pb2.GOODBYE_CODE_DRAIN, "this server is shutting down; connect again")
TOO_SLOW = _goodbye(session_pb2.GOODBYE_CODE_TOO_SLOW, "the client reads too slowly; connect again to catch up")


class Stream:
    """What waits for one client. Its source pushes, and another takes."""

    __slots__ = ("_bytes", "_clock", "_ended", "_idle", "_pending", "_room", "error", "limit_bytes", "taken_at")

    def __init__(self, limit_bytes: int, clock: Callable[[], float]) -> None:
        self.limit_bytes = limit_bytes
        self._clock = clock
        self._pending: list[bytes] = [b""]  # sent at once: HTTP's headers wait for the first frame
        self._bytes = 0
        self._ended = False
        self._idle: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.error: Exception | None = None
        """Why it ended, if it did not end well."""
        self.taken_at = clock()

    @property
    def idle(self) -> bool:
        """Its client has been given everything, and waits."""
        return self._idle is not None

    @property
    def waiting_bytes(self) -> int:
        return self._bytes

    def push(self, frame: bytes) -> bool:
        """True: more waits than should. After `end` it is dropped."""
        if self._ended:
            return False
        self._pending.append(frame)
        self._bytes += len(frame)
        self._wake()
        return self._bytes > self.limit_bytes

    async def room(self) -> None:
        """Wait until no more waits than should, or it has ended."""
        while self._bytes > self.limit_bytes and not self._ended:
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def end(self, last: bytes = b"", error: Exception | None = None) -> None:
        """`take` brings what waits, then `last`, then None. Only the first end counts."""
        if self._ended:
            return
        if last:
            self.push(last)
        self._ended = True
        self.error = error
        self._wake()
        self._let_push()

    async def take(self) -> bytes | None:
        """All that waits, as one frame. None: the stream has ended."""
        while not self._pending:
            if self._ended:
                return None
            self._idle = asyncio.get_running_loop().create_future()
            try:
                await self._idle
            finally:
                self._idle = None
        pending, self._pending, self._bytes = self._pending, [], 0
        self._let_push()
        self.taken_at = self._clock()
        return pending[0] if len(pending) == 1 else b"".join(pending)

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _let_push(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


class Source(Protocol):
    """What fills a stream. Nothing here waits or raises."""

    def begin(self, stream: Stream) -> None:
        """Push what comes, from now on, and then end it."""

    def taken(self) -> None:
        """All that was pushed is on its way to the client."""

    def close(self) -> None:
        """The client has gone, or everything is told."""


class Streams:
    """All streams of the process."""

    def __init__(self, queue_bytes: int, heartbeat_seconds: float, stats: Stats) -> None:
        self._queue_bytes = queue_bytes
        self._heartbeat_seconds = heartbeat_seconds
        self._stats = stats
        self._open: set[Stream] = set()
        self.draining = False

    def admit(self) -> None:
        """Whether another stream may begin.

        Raises:
            Unavailable: the process is stopping.
        """
        if self.draining:
            raise Unavailable(
                "this server is shutting down; connect again",
                error_pb2.ERROR_REASON_UNAVAILABLE,
                retry_after_ms=_RETRY_MS,
            )

    async def frames(self, source: Source) -> AsyncGenerator[bytes]:
        """The frames of a source, joined: an empty one at once, and whenever nothing was sent for the heartbeat's time.

        Raises:
            TertuliaError, ConnectError: the source ended otherwise than well.
        """
        stream = Stream(self._queue_bytes, asyncio.get_running_loop().time)
        source.begin(stream)
        self._open.add(stream)
        self._stats.streams += 1
        self._stats.streams_opened += 1
        try:
            while (frame := await stream.take()) is not None:
                source.taken()
                self._stats.writes += 1
                self._stats.written_bytes += len(frame)
                yield frame
            if stream.error is not None:
                raise stream.error
        finally:
            self._stats.streams -= 1
            self._open.discard(stream)
            source.close()

    async def watch_over(self) -> None:
        """Send heartbeats, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            silent_since = loop.time() - self._heartbeat_seconds
            for stream in self._open:
                if stream.idle and stream.taken_at <= silent_since:
                    stream.push(b"")

    def say_goodbye(self, within_seconds: float) -> None:
        """End every stream, each at a time of its own, with a goodbye that tells the client to come back."""
        self.draining = True
        loop = asyncio.get_running_loop()
        for stream in self._open:
            loop.call_later(random.uniform(0, within_seconds), stream.end, _DRAIN)  # noqa: S311 - jitter
