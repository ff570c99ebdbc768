"""The session that services use: it waits for its nodes, and finds them again where they have moved."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Session as CassandraSession

from libs.cassandra.driver.cluster import ContactPoint, connect, trusting
from libs.cassandra.driver.requests import SCHEMA_SECONDS, Requests
from libs.cassandra.driver.translation import raise_translated
from libs.cassandra.errors import NotMigrated
from libs.cassandra.session import Parameters, Session, Statement, Values
from libs.runtime.errors import CannotStart
from libs.runtime.process import every

log = structlog.get_logger()

_AGAIN_SECONDS = 1.0  # between tries to connect at the start, and between looks at the connections afterwards
_LOST_SECONDS = 5.0  # without any connection, until names are looked up anew: far above what a node takes to be reached
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_KEYSPACES = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"


@asynccontextmanager
async def cassandra_session(
    contact_points: Sequence[ContactPoint],
    keyspace: str,
    *,
    data_center: str = "",
    user: str = "",
    password: str = "",
    authority: Path | None = None,
    create_with_replicas: int = 0,
) -> AsyncIterator[Session]:
    """Connect for as long as the body runs. A ring that does not answer at first is waited for.

    `data_center` names the one whose nodes are asked; empty: that of the contact points. With `create_with_replicas` a
    missing keyspace is created, with so many replicas in every data centre. With `authority`, a PEM file, nodes must show a
    certificate that it signed.

    Raises:
        CannotStart: the credentials are wrong, or the authority cannot be read.
        NotMigrated: there is no such keyspace.
        NotAllowed: the user may not create it.
        CassandraError: this was not answered.
    """
    if not _KEYSPACE.fullmatch(keyspace):
        raise CannotStart(
            f"{keyspace!r} is no name for a keyspace: a-z, 0-9 and _, at most 48, beginning with a letter"
        )
    login = PlainTextAuthProvider(user, password) if user else None
    tls = trusting(authority) if authority is not None else None
    connecting = partial(connect, contact_points, data_center, login, tls)
    while (connected := await asyncio.to_thread(connecting)) is None:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(_AGAIN_SECONDS)
    session = _FollowingSession(keyspace, connecting, connected)
    following: asyncio.Task[None] | None = None
    try:
        if not await asyncio.to_thread(_has_keyspace, connected, keyspace, create_with_replicas):
            raise NotMigrated(
                f"Cassandra has no keyspace {keyspace}: create it with the replication that you want, "
                "or have the migrate command do it, see docs/cassandra.md"
            )
        following = asyncio.create_task(every(_AGAIN_SECONDS, session.follow))
        yield session
    finally:
        try:
            await asyncio.shield(session.close())
        finally:
            if following is not None:
                following.cancel()


class _FollowingSession:
    """A Session that goes where its nodes go: the driver looks names up only once, and what they name may have moved.

    A request ends on the connections on which it began, statements and all: where those are lost, it fails.
    """

    def __init__(
        self, keyspace: str, connecting: Callable[[], CassandraSession | None], connected: CassandraSession
    ) -> None:
        self.keyspace = keyspace
        self._connecting = connecting
        self._requests = Requests(connected, keyspace)
        self._reached = time.monotonic()
        self._moving = asyncio.Lock()
        self._closed = False

    def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        return self._requests.pages(statement, values, page_rows)

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        await self._requests.write(statement, rows)

    async def read_serial(self, statement: Statement, values: Values) -> Sequence[Values]:
        return await self._requests.read_serial(statement, values)

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        return await self._requests.compare_and_set(statement, rows)

    async def define(self, cql: str) -> None:
        await self._requests.define(cql)

    async def follow(self) -> None:
        """Connect anew where there was no connection for a while."""
        now = time.monotonic()
        if self._requests.is_connected():
            self._reached = now
        if now - self._reached < _LOST_SECONDS:
            return
        self._reached = now  # the next try is as far away
        async with self._moving:
            if not self._closed:
                await self._move()

    async def _move(self) -> None:
        try:
            found = await asyncio.to_thread(self._connecting)
        except CannotStart as error:  # it has started; whoever mends the password need not do it again
            log.warning("cassandra_is_not_to_be_used", error=str(error))
            return
        if found is None:
            return
        moved = Requests(found, self.keyspace)
        if self._requests.is_connected():  # the driver has come back to its nodes by itself meanwhile
            await moved.close()
            return
        lost, self._requests = self._requests, moved
        await lost.close()
        log.info("cassandra_is_found_again")

    async def close(self) -> None:
        """What connects just now is waited for, so that it can be closed."""
        self._closed = True
        async with self._moving:
            await self._requests.close()


def _has_keyspace(session: CassandraSession, keyspace: str, create_with_replicas: int) -> bool:
    try:
        if create_with_replicas:
            session.execute(
                f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
                f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {int(create_with_replicas)}}}",
                timeout=SCHEMA_SECONDS,
            )
        return bool(list(session.execute(_KEYSPACES, [keyspace], timeout=SCHEMA_SECONDS)))
    except Exception as error:  # noqa: BLE001 - the driver's errors have no common root
        raise_translated(error)
