"""Sessions to Cassandra with something wrong."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import groupby
from operator import itemgetter

from libs.cassandra import CassandraUnavailable, Parameters, Session, Statement, Value, Values
from libs.cassandra.settings import EngineSettings, open_session
from libs.log_store.cassandra.chain import READ_SEALS
from libs.log_store.cassandra.fence import READ_FENCE
from libs.log_store.cassandra.marks import WRITE_MARK
from libs.log_store.cassandra.rows import WRITE_ROWS

_ROWS_EPOCH = 4  # its place among the values of WRITE_ROWS

Opening = Callable[[EngineSettings], AbstractAsyncContextManager[object]]


class OtherSession:
    """All that is not said otherwise is the real session's."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


def opening(around: Callable[[Session], object]) -> Opening:
    """What opens the session of the settings with something around it."""

    @asynccontextmanager
    async def open_around(settings: EngineSettings) -> AsyncIterator[object]:
        async with open_session(settings) as session:
            yield around(session)

    return open_around


class TimesOut(OtherSession):
    """One write in twenty is said to have timed out: of these half are done, at once, and half are not. Of those that
    compare and set three in forty: a process that gave shards away ends with that, and to share them out takes some eighty."""

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        lot = random.random()
        if lot >= 0.025:
            await self._session.write(statement, rows)
        if lot < 0.05:
            raise CassandraUnavailable("the suite forced a write timeout")

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        done = await self._session.compare_and_set(statement, rows)
        if random.random() < 0.075:
            raise CassandraUnavailable("the suite forced a timeout of a compare-and-set")
        return done


class NoFenceCheck(OtherSession):
    """Finds no fence."""

    async def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        async for page in self._session.pages(statement, values, page_rows):
            yield page if statement != READ_FENCE else []


class NoLinks(OtherSession):
    """Believes every seal of a log, be it linked to or not."""

    async def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        async for page in self._session.pages(statement, values, page_rows):
            yield page if statement != READ_SEALS else _each_linked_to_the_one_before(page)


def _each_linked_to_the_one_before(seals: Sequence[Values]) -> list[Values]:
    linked: list[Values] = []
    for log_id, of_log in groupby(sorted(seals, key=lambda seal: (str(seal[0]), int(seal[1] or 0))), itemgetter(0)):
        before: Value = 0
        for _, epoch, start, _ in of_log:
            linked.append((log_id, epoch, start, before))
            before = epoch
    return linked


class NoRepair(OtherSession):
    """Writes no row of an epoch that is not its own: what it has adopted stays where it was found."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._own = 0

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        self._own = max(self._own, *(int(epoch or 0) for epoch, *_ in rows))
        return await self._session.compare_and_set(statement, rows)

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        if statement != WRITE_ROWS or rows[0][_ROWS_EPOCH] == self._own:
            await self._session.write(statement, rows)


class MarksAtOnce(OtherSession):
    """Writes the mark before the rows, whether or not they become durable."""

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        if statement == WRITE_ROWS:
            application_id, log_id, _, seq, _, _, time_ms, count, version, _, _, _, event, _, _ = rows[-1]
            mark = (application_id, log_id, seq, count, version, time_ms, event, seq)
            await self._session.write(WRITE_MARK, [mark])
        await self._session.write(statement, rows)
