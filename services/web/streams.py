"""The open streams: what waits for each, bounded in bytes and joined; heartbeats; goodbyes.

Frames of the gateway, put one behind the other, are one frame. So what comes while a write is under way is the next write,
an empty frame is a heartbeat, and a goodbye can be put behind anything.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import Unavailable
from services.web.stats import Stats
from services.web.upstream import StreamCall, parts

_LOOK_SECONDS = 1.0  # how late a heartbeat may be
_RETRY_MS = 1_000

_GOODBYE = session_pb2.ServerFrame(
    notices=[
        session_pb2.Notice(
            goodbye=session_pb2.Goodbye(
                code=session_pb2.GOODBYE_CODE_DRAIN,
                reconnect=True,
                message="this server is shutting down; connect again",
            )
        )
    ]
).SerializeToString()


class Stream:
    """What waits for one client. One task fills it and another takes."""

    __slots__ = ("_bytes", "_clock", "_ended", "_idle", "_limit", "_pending", "_room", "taken_at")

    def __init__(self, limit_bytes: int, clock: Callable[[], float]) -> None:
        self._limit = limit_bytes
        self._clock = clock
        self._pending: list[bytes] = [b""]  # sent at once: HTTP's headers wait for the first frame
        self._bytes = 0
        self._ended = False
        self._idle: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self.taken_at = clock()

    @property
    def idle(self) -> bool:
        """Its client has been given everything, and waits."""
        return self._idle is not None

    async def fill(self, frames: AsyncIterator[bytes]) -> None:
        """Take what the gateway sends, and no more than there is room for, until it ends; failures are raised here."""
        try:
            async for frame in frames:
                self.push(frame)
                while self._bytes > self._limit and not self._ended:
                    self._room = asyncio.get_running_loop().create_future()
                    await self._room
                if self._ended:
                    return
        finally:
            self.end()

    def push(self, frame: bytes) -> None:
        if not self._ended:
            self._pending.append(frame)
            self._bytes += len(frame)
            self._wake()

    def end(self, last: bytes = b"") -> None:
        """`take` brings what waits, then `last`, then None."""
        if last:
            self.push(last)
        self._ended = True
        self._wake()
        self._let_fill()

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
        self._let_fill()
        self.taken_at = self._clock()
        return pending[0] if len(pending) == 1 else b"".join(pending)

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _let_fill(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)


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

    async def frames(self, call: StreamCall) -> AsyncGenerator[bytes]:
        """The frames of a call, joined: an empty one at once, and whenever nothing was sent for the heartbeat's time.

        Raises:
            TertuliaError: the call ended otherwise than well.
        """
        loop = asyncio.get_running_loop()
        stream = Stream(self._queue_bytes, loop.time)
        filling = loop.create_task(stream.fill(parts(call)))
        self._open.add(stream)
        self._stats.streams += 1
        self._stats.streams_opened += 1
        try:
            while (frame := await stream.take()) is not None:
                self._stats.writes += 1
                self._stats.written_bytes += len(frame)
                yield frame
            if filling.done():
                filling.result()  # raises what ended it
        finally:
            self._stats.streams -= 1
            self._open.discard(stream)
            filling.cancel()
            call.cancel()

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
            loop.call_later(random.uniform(0, within_seconds), stream.end, _GOODBYE)  # noqa: S311 - jitter
