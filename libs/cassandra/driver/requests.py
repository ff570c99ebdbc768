"""Requests by one session of the driver: prepared, bounded, answered in the event loop, with errors of the port."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

from cassandra import ConsistencyLevel
from cassandra.cluster import ResponseFuture, ResultSet
from cassandra.cluster import Session as CassandraSession
from cassandra.connection import ConnectionShutdown
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement, SimpleStatement

from libs.cassandra.driver.translation import raise_translated, translated
from libs.cassandra.session import Parameters, Statement, Values

SCHEMA_SECONDS = 30.0
REQUEST_SECONDS = 3.0  # above the server's own 2 s for writes and 1.8 s for CAS, whose answer says more
SPECULATIVE_SECONDS = 0.25  # far above what a node that is well takes, far below the request's deadline
SPECULATIVE_ATTEMPTS = 2
_IN_FLIGHT = 256  # above it the driver's queues grow and its latency with them, while throughput stays
_NO_LIMIT = 1_000_000
_TABLE = re.compile(r"\bks\.")


class _Answers:
    """Brings answers from the driver's thread into the event loop: one wake-up for all that came meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Callable[[], None]] = deque()
        self._woken = False

    def deliver(self, answer: Callable[[], None]) -> None:
        """Run in the driver's thread."""
        self._arrived.append(answer)
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._woken = False  # before looking: what arrives from now on wakes again
        while self._arrived:
            self._arrived.popleft()()


class _Answer(NamedTuple):
    rows: Sequence[Values]
    after: bytes | None
    """What to ask the next page with; None: this is the last."""


class Requests:
    """A Session for as long as the driver's own finds its nodes."""

    def __init__(self, session: CassandraSession, keyspace: str) -> None:
        self.keyspace = keyspace
        self._session = session
        self._answers = _Answers()
        self._prepared: dict[str, asyncio.Task[PreparedStatement]] = {}
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._open: set[asyncio.Future[_Answer]] = set()
        """Requests that were not answered yet."""

    async def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        bound = await self._bound(statement, values)
        bound.fetch_size = page_rows
        bound.is_idempotent = True
        after: bytes | None = None
        while True:
            # each page is a request of its own: the driver would take a node's late answer for one page for that of the next
            rows, after = await self._ask(bound, after)
            yield rows
            if after is None:
                return

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        if not rows:
            return
        query = await (self._bound(statement, rows[0]) if len(rows) == 1 else self._batch(statement, rows))
        query.is_idempotent = True  # its timestamps are bound
        await self._ask(query)

    async def read_serial(self, statement: Statement, values: Values) -> Sequence[Values]:
        bound = await self._bound(statement, values)
        bound.consistency_level = ConsistencyLevel.SERIAL
        bound.fetch_size = _NO_LIMIT  # further pages would be reads of their own
        return (await self._ask(bound)).rows

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        answer = await self._ask(await self._batch(statement, rows))
        return bool(answer.rows[0][0])

    async def define(self, cql: str) -> None:
        await self._ask(SimpleStatement(self._qualified(cql)), seconds=SCHEMA_SECONDS)

    def is_connected(self) -> bool:
        """Whether any connection is open: a host's `is_up` is what the driver heard last."""
        return any(pool["open_count"] for pool in self._session.get_pool_state().values())

    async def close(self) -> None:
        """What waits for an answer fails: what the driver would ask another node, it drops."""
        await asyncio.to_thread(self._session.cluster.shutdown)
        for done in tuple(self._open):
            self._failed(done, ConnectionShutdown("the session was closed"))

    def _qualified(self, cql: str) -> str:
        return _TABLE.sub(f"{self.keyspace}.", cql)

    async def _bound(self, statement: Statement, values: Parameters) -> BoundStatement:
        prepared = await self._prepare(statement)
        if len(values) != statement.parameters:  # the driver would leave the rest unset, a timestamp to a clock
            raise ValueError(f"{len(values)} values for {statement.cql!r}")
        return prepared.bind(values)

    async def _batch(self, statement: Statement, rows: Sequence[Values]) -> BatchStatement:
        batch = BatchStatement(BatchType.UNLOGGED)
        for row in rows:
            batch.add(await self._bound(statement, row))
        return batch

    async def _prepare(self, statement: Statement) -> PreparedStatement:
        task = self._prepared.get(statement.cql)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(self._prepared_by_first(statement.cql))
            self._prepared[statement.cql] = task
        return task.result() if task.done() else await asyncio.shield(task)

    async def _prepared_by_first(self, cql: str) -> PreparedStatement:
        """Speculation is for prepared statements only, so it is done here once more: the driver's policy goes round the nodes."""
        asked: list[asyncio.Task[PreparedStatement]] = []
        for seconds in (*[SPECULATIVE_SECONDS] * SPECULATIVE_ATTEMPTS, None):
            task = asyncio.create_task(asyncio.to_thread(self._prepare_in_thread, cql))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())  # the slower one interests nobody
            asked.append(task)
            done, _ = await asyncio.wait(asked, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        return done.pop().result()

    def _prepare_in_thread(self, cql: str) -> PreparedStatement:
        try:
            return self._session.prepare(self._qualified(cql))
        except Exception as error:  # noqa: BLE001 - the driver's errors have no common root
            raise_translated(error)

    async def _ask(self, query: object, after: bytes | None = None, seconds: float = REQUEST_SECONDS) -> _Answer:
        """Send a request; `after`: for the page behind that one. Whoever stops waiting does not stop the request."""
        await self._room.acquire()
        done: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._open.add(done)

        def answered(rows: Sequence[Values] | None) -> None:
            # here, in the driver's thread: the answer of another node that was asked, too, has a paging state of its own
            answer = _Answer(rows or (), ResultSet(response, rows or ()).paging_state)
            self._answers.deliver(lambda: self._answered(done, answer))

        try:
            response: ResponseFuture = self._session.execute_async(query, timeout=seconds, paging_state=after)
            response.add_callbacks(answered, lambda error: self._answers.deliver(lambda: self._failed(done, error)))
        except Exception as error:  # noqa: BLE001 - whatever it was, the place in flight is given back
            self._is_first(done)
            raise_translated(error)
        return await done

    def _answered(self, done: asyncio.Future[_Answer], answer: _Answer) -> None:
        if self._is_first(done) and not done.done():
            done.set_result(answer)

    def _failed(self, done: asyncio.Future[_Answer], error: Exception) -> None:
        if self._is_first(done) and not done.done():
            done.set_exception(translated(error))

    def _is_first(self, done: asyncio.Future[_Answer]) -> bool:
        """Give the place in flight back, once. Where two nodes were asked, both may answer."""
        if done not in self._open:
            return False
        self._open.remove(done)
        self._room.release()
        return True
