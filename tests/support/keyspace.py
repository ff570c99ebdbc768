"""Keyspaces of tests, each with a user of its own where Cassandra asks who comes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import NamedTuple

from libs.cassandra import ContactPoint as NodeAddress
from libs.cassandra import Session, cassandra_session
from tests.support.backends import NoBackend, skip_without
from tests.support.cassandra_ring import create_keyspace
from tests.support.cql import SUPERUSER, ContactPoint, Cql, Login, cql


class Keyspace(NamedTuple):
    """Where it is, and who uses it."""

    point: ContactPoint
    name: str
    login: Login | None
    """A user that may read and write here, and nothing else: what a service needs. None: nobody is asked."""

    def session(self) -> AbstractAsyncContextManager[Session]:
        """As a service has it."""
        return self._session(self.login)

    def administration(self) -> AbstractAsyncContextManager[Session]:
        """As of who makes tables."""
        return self._session(self.login and SUPERUSER)

    def require_login(self) -> None:
        """Skip a test that is about users where Cassandra asks for none; a failure where servers are required, as any other lack is."""
        if self.login is None:
            skip_without(NoBackend(f"Cassandra at {self.point} asks nobody who comes"))

    @property
    def settings(self) -> dict[str, str]:
        """What a service is told to use it."""
        return self._settings(self.login)

    @property
    def migration_settings(self) -> dict[str, str]:
        """What the migrate command of a service is told."""
        return self._settings(self.login and SUPERUSER)

    def _session(self, login: Login | None) -> AbstractAsyncContextManager[Session]:
        return cassandra_session([NodeAddress(*self.point)], self.name, **login._asdict() if login else {})

    def _settings(self, login: Login | None) -> dict[str, str]:
        there = {"store": "cassandra", "cassandra_nodes": str(self.point), "cassandra_keyspace": self.name}
        return there | ({"cassandra_user": login.user, "cassandra_password": login.password} if login else {})

    async def empty(self, keep: Collection[str] = ()) -> None:
        """Empty its tables, except `keep` and the record of its schema: far quicker than to make them anew."""
        async with cql(self.point) as connection:
            for table in await tables_of(connection, self.name) - {"schema_migration", *keep}:
                if await connection.query(f"SELECT * FROM {self.name}.{table} LIMIT 1"):  # noqa: S608 - our own names; to look is much cheaper than to truncate
                    await connection.query(f"TRUNCATE {self.name}.{table}")


@asynccontextmanager
async def keyspace(point: ContactPoint, prefix: str = "test", replicas: int = 1) -> AsyncIterator[Keyspace]:
    """A new keyspace of a name that nobody else has; dropped afterwards."""
    name = f"{prefix}_{secrets.token_hex(6)}"
    try:
        async with cql(point) as connection:
            await create_keyspace(connection, name, replicas)
            login = await _user_of(connection, name) if connection.had_to_log_in else None
        yield Keyspace(point, name, login)
    finally:
        with suppress(
            OSError, asyncio.IncompleteReadError
        ):  # a ring whose node was killed keeps it; it goes as a whole
            async with cql(point) as connection:
                await connection.query(f"DROP KEYSPACE IF EXISTS {name}")
                if connection.had_to_log_in:
                    await connection.query(f"DROP ROLE IF EXISTS {name}")


async def _user_of(connection: Cql, name: str) -> Login:
    login = Login(name, secrets.token_hex(16))
    await connection.query(f"CREATE ROLE {login.user} WITH LOGIN = true AND PASSWORD = '{login.password}'")
    for permission in ("SELECT", "MODIFY"):
        await connection.query(f"GRANT {permission} ON KEYSPACE {name} TO {login.user}")
    return login


async def tables_of(connection: Cql, name: str) -> set[str]:
    """The tables of a keyspace."""
    rows = await connection.query(f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{name}'")  # noqa: S608 - our own name
    return {table.decode() for (table,) in rows if table is not None}
