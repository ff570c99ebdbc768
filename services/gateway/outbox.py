"""What waits to be written to one session, and its one writer."""

import asyncio
from collections.abc import Awaitable, Callable

MAX_WRITE_BYTES = 256 * 1024
"""Fragments are joined up to this; clients accept frames of 4 MiB, and a single fragment is below 1.1 MiB."""


class Outbox:
    """A queue of fragments, bounded in bytes; each fragment is a valid ServerFrame, so that all that waits is one write.

    `push` never waits. Whoever can produce without bound looks at what it returns, or waits for `room` before.
    """

    __slots__ = ("_bytes", "_closed", "_idle", "_limit", "_pending", "_room", "write_began")

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._pending: list[bytes] = []
        self._bytes = 0
        self._idle: asyncio.Future[None] | None = None
        self._room: asyncio.Event | None = None
        self._closed = False
        self.write_began = 0.0
        """The loop's time when the write under way began; 0: none is."""

    @property
    def waiting_bytes(self) -> int:
        """What is queued or being written."""
        return self._bytes

    @property
    def empty(self) -> bool:
        """Nothing is queued; something may be being written."""
        return not self._pending

    @property
    def full(self) -> bool:
        """Over its limit."""
        return self._bytes > self._limit

    def push(self, fragment: bytes) -> bool:
        """Queue a fragment. True: the queue is over its limit. After `close` it is dropped."""
        if self._closed:
            return False
        self._pending.append(fragment)
        self._bytes += len(fragment)
        if self._idle is not None:
            self._wake(self._idle)
        return self._bytes > self._limit

    async def room(self) -> None:
        """Wait until at most half of the limit is used, or the outbox is closed."""
        while self._bytes > self._limit // 2 and not self._closed:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    def close(self) -> None:
        """Take nothing more; `run` returns when all that was queued is written."""
        self._closed = True
        if self._room is not None:
            self._room.set()
        if self._idle is not None:
            self._wake(self._idle)

    async def run(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write what is queued, all that has come together in one write, until closed and empty."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._pending:
                if self._closed:
                    return
                self._idle = loop.create_future()
                await self._idle
                continue
            data = self._take()
            self.write_began = loop.time()
            await write(data)
            self.write_began = 0.0
            self._bytes -= len(data)
            if self._room is not None and self._bytes <= self._limit // 2:
                self._room.set()
                self._room = None

    def _wake(self, idle: asyncio.Future[None]) -> None:
        self._idle = None
        if not idle.done():  # cancelled with its writer
            idle.set_result(None)

    def _take(self) -> bytes:
        pending = self._pending
        if self._bytes > MAX_WRITE_BYTES:
            size = 0
            for count, fragment in enumerate(pending):
                size += len(fragment)
                if size > MAX_WRITE_BYTES:
                    self._pending = pending[max(count, 1) :]
                    return b"".join(pending[: max(count, 1)])
        self._pending = []
        return pending[0] if len(pending) == 1 else b"".join(pending)
