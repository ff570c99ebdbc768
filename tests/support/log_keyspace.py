"""A keyspace with the tables of the logs."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from libs.cassandra import Session, migrate
from libs.directory import cassandra as directory
from libs.log_store import LogStore
from libs.log_store.cassandra import COMPONENT, MIGRATIONS, Incarnation, Member, cassandra_log_store
from tests.support import cql
from tests.support.keyspace import Keyspace, keyspace, tables_of

_OWNERSHIP = ("shard", "fence", "heartbeat")
_FREE_SHARDS = [text for migration in MIGRATIONS for text in migration.statements if text.startswith("BEGIN")]


class LogKeyspace(Keyspace):
    """A keyspace, and what can be done to the logs in it."""

    async def empty_logs(self) -> None:
        """Remove all logs; ownerships, and with them the epochs, go on."""
        await self.empty(keep=_OWNERSHIP)

    async def renew(self) -> None:
        """Make it as it was before anybody used it. Nobody may use it now."""
        await self.empty()
        async with cql.cql(self.point) as connection:
            for statement in _FREE_SHARDS:
                await connection.query(statement.replace("ks.", f"{self.name}."))

    async def contents(self) -> bytes:
        """Every value in every row of the logs' tables, as they are read."""
        async with cql.cql(self.point) as connection:
            tables = sorted(await tables_of(connection, self.name))
            found = [await connection.query(f"SELECT * FROM {self.name}.{table}") for table in tables]  # noqa: S608
        return b"\0".join(value for table in found for row in table for value in row if value is not None)


@asynccontextmanager
async def log_keyspace(point: cql.ContactPoint, replicas: int = 1) -> AsyncIterator[LogKeyspace]:
    """A new one, dropped afterwards."""
    async with keyspace(point, "logs", replicas) as place:
        logs = LogKeyspace(*place)
        async with logs.administration() as session:
            await migrate(session, COMPONENT, MIGRATIONS)
        yield logs


@asynccontextmanager
async def keyspace_of_all(point: cql.ContactPoint, replicas: int = 1) -> AsyncIterator[LogKeyspace]:
    """A new one which has the tables of the directory, too."""
    async with log_keyspace(point, replicas) as logs:
        async with logs.administration() as session:
            await migrate(session, directory.COMPONENT, directory.MIGRATIONS)
        yield logs


@asynccontextmanager
async def owned_alone(session: Session) -> AsyncIterator[LogStore]:
    """The logs of a keyspace that nobody else uses."""

    async def nobody(address: str, shards: Sequence[int], heir: str) -> Mapping[int, int]:  # noqa: ARG001
        raise AssertionError("nobody is there to be asked")

    me = Member(Incarnation(secrets.token_hex(8)), "here", "bus")
    async with cassandra_log_store(session, me, nobody) as (store, _):
        yield store
