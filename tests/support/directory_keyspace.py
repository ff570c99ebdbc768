"""A keyspace with the tables of the directory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.cassandra import migrate
from libs.directory.cassandra import COMPONENT, MIGRATIONS
from tests.support.cql import ContactPoint
from tests.support.keyspace import Keyspace, keyspace


@asynccontextmanager
async def directory_keyspace(point: ContactPoint, replicas: int = 1) -> AsyncIterator[Keyspace]:
    """A new one, dropped afterwards."""
    async with keyspace(point, "directory", replicas) as place:
        async with place.administration() as session:
            await migrate(session, COMPONENT, MIGRATIONS)
        yield place
