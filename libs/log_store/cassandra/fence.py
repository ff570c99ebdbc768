"""The table `fence`, and the barrier that is one read of it."""

import asyncio
import time
from collections.abc import Callable

import structlog

from libs.cassandra import Session, Statement, Values, read
from libs.log_store.cassandra.durable import until_durable
from libs.log_store.cassandra.vocabulary import Incarnation
from libs.log_store.errors import Fenced

log = structlog.get_logger()

READ_FENCE = Statement("SELECT fenced FROM ks.fence WHERE incarnation = ?")
WRITE_FENCE = Statement("INSERT INTO ks.fence (incarnation, fenced) VALUES (?, true) USING TIMESTAMP 1")

_AGAIN_SECONDS = 1.0
"""A read of the own fence that is not answered by then is made again beside the first, twice at most. It takes milliseconds, and all that is
appended waits for it; a node that has just come back was seen to leave one unanswered for ever, and the driver would wait for 3 s."""

_FRESH_SECONDS = 2.0
"""Below the 3 s after which an owner that does nothing is taken over; above the half second after which one that is well passes a
barrier anyway."""


async def write_fence(session: Session, incarnation: Incarnation) -> None:
    """Stop an incarnation for ever: from the return of this on it passes no barrier."""
    await until_durable(lambda: session.write(WRITE_FENCE, [(incarnation,)]))


class Barrier:
    """One QUORUM read of the own fence row for all who wait: whoever comes while it runs waits for the next one.

    A plain read is enough, because the fence is durable on a quorum before anybody takes over.
    """

    def __init__(self, session: Session, incarnation: Incarnation, begin: Callable[[], Callable[[], None]]) -> None:
        """`begin` is called when a read begins; what it returns, when that read found no fence."""
        self._session = session
        self._incarnation = incarnation
        self._begin = begin
        self._reading = asyncio.Lock()
        self._begun = 0
        self._passed = 0
        self._passed_at = time.monotonic()

    async def passed(self) -> None:
        """Wait for a barrier that begins after this call.

        Raises:
            Fenced: this incarnation is fenced.
        """
        mine = self._begun + 1
        while self._passed < mine:
            async with self._reading:
                if self._passed >= mine:
                    return
                self._begun += 1
                number, begun_at, when_passed = self._begun, time.monotonic(), self._begin()
                await until_durable(self._read_fence)
                self._passed, self._passed_at = number, begun_at
                when_passed()

    async def fresh(self) -> None:
        """Wait for a barrier if the last one is old. To be called just before rows are written: whoever stood still may have been
        taken over, and would write what nobody will ever read.

        Raises:
            Fenced: this incarnation is fenced.
        """
        if time.monotonic() - self._passed_at > _FRESH_SECONDS:
            await self.passed()

    async def _read_fence(self) -> None:
        reads: list[asyncio.Task[list[Values]]] = []
        try:
            for seconds in (_AGAIN_SECONDS, _AGAIN_SECONDS, None):
                reads.append(asyncio.create_task(read(self._session, READ_FENCE, (self._incarnation,))))
                # what becomes of the slower ones interests nobody
                reads[-1].add_done_callback(lambda task: task.cancelled() or task.exception())
                done, _ = await asyncio.wait(reads, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    break
                log.warning("fence_read_again", after_seconds=seconds)
            rows = done.pop().result()
        finally:
            for task in reads:
                task.cancel()
        if rows:
            log.error("fenced", incarnation=self._incarnation)
            raise Fenced
