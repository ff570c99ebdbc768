"""A keyspace with the tables of the logs."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from libs.cassandra import ContactPoint, Session, cassandra_session, migrate
from libs.log_store.cassandra import COMPONENT, MIGRATIONS
from tests.support import cql
from tests.support.cassandra import keyspace

_TABLES = ("log", "log_overlay", "log_mention", "log_epoch", "log_mark", "dirty", "dirty_span")


class LogKeyspace(NamedTuple):
    """Where it is."""

    point: cql.ContactPoint
    name: str

    def session(self) -> AbstractAsyncContextManager[Session]:
        return cassandra_session([ContactPoint(*self.point)], self.name)

    async def empty(self) -> None:
        """Remove all logs; ownerships, and with them the epochs, go on."""
        async with cql.cql(self.point) as connection:
            for table in _TABLES:
                await connection.query(f"TRUNCATE {self.name}.{table}")

    async def contents(self) -> bytes:
        """Every value in every row of the logs' tables, as they are read."""
        async with cql.cql(self.point) as connection:
            found = [await connection.query(f"SELECT * FROM {self.name}.{table}") for table in _TABLES]  # noqa: S608
        return b"\0".join(value for table in found for row in table for value in row if value is not None)


@asynccontextmanager
async def log_keyspace(point: cql.ContactPoint, replicas: int = 1) -> AsyncIterator[LogKeyspace]:
    """A new one, dropped afterwards."""
    async with keyspace(point, "logs", replicas) as name:
        logs = LogKeyspace(point, name)
        async with logs.session() as session:
            await migrate(session, COMPONENT, MIGRATIONS)
        yield logs
