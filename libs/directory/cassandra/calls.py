"""Requests of the stores: Cassandra's errors become the port's."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import structlog

from libs.cassandra import CassandraUnavailable, Session, Statement, Values
from libs.directory.errors import DirectoryOverloaded, DirectoryUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
log = structlog.get_logger()

_PAGE_ROWS = 1_000
_RESOLVE_SECONDS = 1.5
"""To learn what became of a compare-and-set. With the 3 s that the session gives that itself, below the 5 s of a call."""

_MAX_OPEN = 10_000  # requests that wait or are in flight; beyond it callers get DirectoryOverloaded
_AT_A_TIME = 64  # of one call: a quarter of what the session has in flight, so that others go on beside it


class Calls:
    """One session, as the stores use it. An error that is no fault of the engine passes through: it is a bug of ours.

    Every method may raise DirectoryUnavailable, which tells of a write that its outcome is unknown, or DirectoryOverloaded.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open = 0

    async def read(self, statement: Statement, values: Values) -> list[Values]:
        """All that a SELECT finds, for answers that are small."""
        return [row async for page in self.pages(statement, values, _PAGE_ROWS) for row in page]

    async def pages(
        self, statement: Statement, values: Values, page_rows: int
    ) -> AsyncGenerator[Sequence[Values], None]:
        """What a SELECT finds, page after page. To be closed where it is not read to its end."""
        with self._request(writing=False):
            async for page in self._session.pages(statement, values, page_rows):
                yield page

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Rows of one partition."""
        with self._request(writing=True):
            await self._session.write(statement, rows)

    async def compare_and_set(self, statement: Statement, values: Values) -> bool | None:
        """Whether it was done; None: it is not known, and it may still be done. `read_serial` then shows what was."""
        try:
            with self._request(writing=True):
                return await self._session.compare_and_set(statement, [values])
        except DirectoryUnavailable:
            return None

    async def read_serial(self, statement: Statement, values: Values) -> list[Values]:
        """What a SELECT of one partition finds after a compare-and-set that was not clearly done."""
        with self._request(writing=True):
            async with asyncio.timeout(_RESOLVE_SECONDS):
                return list(await self._session.read_serial(statement, values))

    async def create(self, insert: Statement, values: Values, select: Statement, key: Values) -> Values:
        """Insert a row unless there is one; return the one that is there now.

        `insert` has the columns of `select`, and the condition that there is no such row.
        """
        if rows := await self.read(select, key):
            return rows[0]
        if await self.compare_and_set(insert, values):
            return values
        if rows := await self.read_serial(select, key):
            return rows[0]
        raise DirectoryUnavailable(writing=True)

    @contextmanager
    def _request(self, *, writing: bool) -> Iterator[None]:
        if self._open >= _MAX_OPEN:
            raise DirectoryOverloaded
        self._open += 1
        try:
            yield
        except (CassandraUnavailable, TimeoutError) as error:
            log.warning("directory_write_failed" if writing else "directory_read_failed", error=repr(error))
            raise DirectoryUnavailable(writing=writing) from error
        finally:
            self._open -= 1


async def each(action: Callable[[Item], Awaitable[Result]], items: Iterable[Item]) -> list[Result]:
    """Do something for each item, for some of them at a time; the results in order. The first failure ends all."""
    waiting = list(items)
    if len(waiting) == 1:
        return [await action(waiting[0])]
    results: dict[int, Result] = {}
    numbered = iter(enumerate(waiting))

    async def work() -> None:
        for index, item in numbered:
            results[index] = await action(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(len(waiting), _AT_A_TIME)):
                tasks.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [results[index] for index in range(len(waiting))]
