"""The engine of the logs, as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from libs.cassandra.settings import open_session
from libs.log_store import LogStore, Ring
from libs.log_store.cassandra import Incarnation, Member, cassandra_log_store
from libs.log_store.ring import NoRing
from libs.log_store.sqlite import sqlite_log_store
from libs.rpc.certificates import Certificates
from libs.runtime.errors import CannotStart
from services.message_store.peers import Peers
from services.message_store.settings import MessageStoreSettings


class MeasuredLogStore(LogStore, Protocol):
    """An engine that counts."""

    @property
    def commits(self) -> int:
        """Writes of rows that became durable since the start."""


@asynccontextmanager
async def open_log_store(
    settings: MessageStoreSettings, incarnation: str, certificates: Certificates | None
) -> AsyncIterator[tuple[MeasuredLogStore, Ring]]:
    """Own the logs, or a share of them, for as long as the body runs.

    On Cassandra this waits for a ring that does not answer, and for an owner that is alive and rings elsewhere.

    Raises:
        CannotStart: another process owns the file; or the keyspace or its schema is not there, or not what this program needs.
    """
    if settings.store == "sqlite":
        if settings.data_dir is None:
            raise CannotStart("settings of message_store: data_dir: needed for store=sqlite")
        async with sqlite_log_store(settings.data_dir / "logs.sqlite") as sqlite:
            yield sqlite, NoRing()
    else:
        me = Member(Incarnation(incarnation), settings.own_address(), settings.bus_address)
        async with (
            Peers(certificates) as peers,
            open_session(settings) as session,
            cassandra_log_store(session, me, peers.ask) as (cassandra, ring),
        ):
            yield cassandra, ring
