"""A keyspace with the tables of the directory."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from libs.cassandra import ContactPoint, Session, cassandra_session, migrate
from libs.directory.cassandra import COMPONENT, MIGRATIONS
from tests.support import cql
from tests.support.cassandra import empty, keyspace


class DirectoryKeyspace(NamedTuple):
    """Where it is."""

    point: cql.ContactPoint
    name: str

    def session(self) -> AbstractAsyncContextManager[Session]:
        return cassandra_session([ContactPoint(*self.point)], self.name)

    @property
    def settings(self) -> dict[str, str]:
        """What a channel service is told to use it."""
        return {"store": "cassandra", "cassandra_nodes": str(self.point), "cassandra_keyspace": self.name}

    async def empty(self) -> None:
        """Remove everything."""
        await empty(self.point, self.name)


@asynccontextmanager
async def directory_keyspace(point: cql.ContactPoint, replicas: int = 1) -> AsyncIterator[DirectoryKeyspace]:
    """A new one, dropped afterwards."""
    async with keyspace(point, "directory", replicas) as name:
        made = DirectoryKeyspace(point, name)
        async with made.session() as session:
            await migrate(session, COMPONENT, MIGRATIONS)
        yield made
