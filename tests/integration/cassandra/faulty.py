"""A session whose writes can be lost, doubted and late, for one process of several in a test."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import Enum

from libs.cassandra import CassandraUnavailable, Parameters, Session, Statement, Values


class Fault(Enum):
    """What becomes of a request. For whoever made it, it timed out, unless it is held."""

    LOST = "lost"
    """It is never done."""
    ANSWER_LOST = "answer lost"
    """It is done."""
    LATE = "late"
    """It is done when the test says so, whatever has become of who made it."""
    HELD = "held"
    """A write is done when the test says so, and answered then. A read is never answered."""


class FaultySession:
    """A Session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.keyspace = session.keyspace
        self._faults: defaultdict[Statement, deque[Fault]] = defaultdict(deque)
        self._always: dict[Statement, Fault] = {}
        self._late: list[Callable[[], Awaitable[object]]] = []
        self.written: list[tuple[Statement, Values]] = []
        """Every row of every write that was asked for."""
        self.read: Counter[Statement] = Counter()
        """How many reads were asked for."""

    def next(self, statement: Statement, *faults: Fault) -> None:
        """What becomes of the next requests with a statement; after them it is well again."""
        self._faults[statement].extend(faults)

    def always(self, statement: Statement, fault: Fault) -> None:
        self._always[statement] = fault

    def well(self, statement: Statement) -> None:
        """Requests with it succeed again."""
        self._always.pop(statement)

    async def arrive(self) -> int:
        """Have everything happen that is late. How much it was."""
        late, self._late = self._late, []
        for request in late:
            await request()
        return len(late)

    def rows_written(self, statement: Statement) -> list[Values]:
        return [row for each, row in self.written if each == statement]

    async def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        self.read[statement] += 1
        fault = self._fault(statement)
        if fault is Fault.HELD:
            await asyncio.Event().wait()
        if fault:
            raise CassandraUnavailable("a test lost this read")
        async for page in self._session.pages(statement, values, page_rows):
            yield page

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        self.written += [(statement, row) for row in rows]
        await self._do(statement, lambda: self._session.write(statement, rows))

    async def read_serial(self, statement: Statement, values: Values) -> Sequence[Values]:
        return await self._session.read_serial(statement, values)

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        done = False

        async def compare_and_set() -> None:
            nonlocal done
            done = await self._session.compare_and_set(statement, rows)

        await self._do(statement, compare_and_set)
        return done

    async def define(self, cql: str) -> None:
        await self._session.define(cql)

    def _fault(self, statement: Statement) -> Fault | None:
        faults = self._faults[statement]
        return faults.popleft() if faults else self._always.get(statement)

    async def _do(self, statement: Statement, request: Callable[[], Awaitable[object]]) -> None:
        fault = self._fault(statement)
        if fault is None or fault is Fault.ANSWER_LOST:
            await request()
        if fault is Fault.LATE:
            self._late.append(request)
        if fault is Fault.HELD:
            done = asyncio.Event()

            async def arrive() -> None:
                await request()
                done.set()

            self._late.append(arrive)
            await done.wait()
        elif fault is not None:
            raise CassandraUnavailable(f"a test made this request {fault.value}")
