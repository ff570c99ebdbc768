"""A Session that loses what a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from libs.cassandra import CassandraUnavailable, Parameters, Session, Statement, Values

Result = TypeVar("Result")


class WeakSession:
    """Passes requests on to a real session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.keyspace = session.keyspace
        self.lost_requests: set[str] = set()
        """How statements begin of which the next one never arrives. Each is lost once."""
        self.lost_answers: set[str] = set()
        """How statements begin of which the next one is carried out, and nobody hears of it. Each is lost once."""
        self.stuck: asyncio.Event | None = None
        """While there is one, requests wait for it."""

    async def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        await self._lose(statement, self.lost_requests)
        async for page in self._session.pages(statement, values, page_rows):
            yield page

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        await self._through(statement, lambda: self._session.write(statement, rows))

    async def read_serial(self, statement: Statement, values: Values) -> Sequence[Values]:
        return await self._through(statement, lambda: self._session.read_serial(statement, values))

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        return await self._through(statement, lambda: self._session.compare_and_set(statement, rows))

    async def define(self, cql: str) -> None:
        await self._session.define(cql)

    async def _through(self, statement: Statement, request: Callable[[], Awaitable[Result]]) -> Result:
        await self._lose(statement, self.lost_requests)
        result = await request()
        await self._lose(statement, self.lost_answers)
        return result

    async def _lose(self, statement: Statement, lost: set[str]) -> None:
        if self.stuck is not None:
            await self.stuck.wait()
        for beginning in lost:
            if statement.cql.startswith(beginning):
                lost.remove(beginning)
                raise CassandraUnavailable(f"lost: {statement.cql}")
