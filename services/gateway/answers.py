"""Answers to the commands of one session: acknowledgements joined, and what is still open counted."""

import asyncio

from tertulia.chat.v1 import session_pb2

from libs.rpc.errors import TertuliaError
from libs.rpc.status import to_failure
from services.gateway.outbox import Outbox
from services.gateway.stats import Stats


class Answers:
    """Every command that was `opened` gets exactly one of `acked`, `failed`, `replied` and `done`; `flush` sends them."""

    __slots__ = ("_changed", "_frame", "_outbox", "_stats", "open")

    def __init__(self, outbox: Outbox, stats: Stats) -> None:
        self.open = 0
        """Commands that were taken and not answered yet."""
        self._outbox = outbox
        self._stats = stats
        self._frame: session_pb2.ServerFrame | None = None
        self._changed: asyncio.Event | None = None

    def opened(self) -> None:
        self.open += 1

    def acked(self, request_id: int, seq: int, time_ms: int) -> None:
        self._pending().acks.add(request_id=request_id, seq=seq, time_ms=time_ms)
        self._stats.acks += 1
        self.open -= 1

    def failed(self, request_id: int, error: TertuliaError) -> None:
        self._pending().failures.append(to_failure(request_id, error))
        self._stats.failures[error.reason] += 1
        self.open -= 1

    def replied(self, request_id: int, response: bytes) -> None:
        self._pending().replies.add(request_id=request_id, response=response)
        self.open -= 1

    def done(self) -> None:
        """A command succeeded that is not answered then."""
        self.open -= 1

    def flush(self) -> None:
        """Queue what was answered since the last time. The queue's limit does not matter: open commands are bounded."""
        if self._frame is not None:
            self._outbox.push(self._frame.SerializeToString())
            self._frame = None
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def _pending(self) -> session_pb2.ServerFrame:
        if self._frame is None:
            self._frame = session_pb2.ServerFrame()
        return self._frame

    async def at_most(self, count: int) -> None:
        """Wait until no more than `count` commands are open."""
        while self.open > count:
            if self._changed is None:
                self._changed = asyncio.Event()
            await self._changed.wait()
