"""The engine of the logs, as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from libs.cassandra.settings import open_session
from libs.log_store import LogStore
from libs.log_store.cassandra import cassandra_log_store
from libs.log_store.sqlite import sqlite_log_store
from libs.runtime.errors import CannotStart
from services.message_store.settings import MessageStoreSettings


class MeasuredLogStore(LogStore, Protocol):
    """An engine that counts."""

    @property
    def commits(self) -> int:
        """Writes of rows that became durable since the start."""


@asynccontextmanager
async def open_log_store(settings: MessageStoreSettings, incarnation: str) -> AsyncIterator[MeasuredLogStore]:
    """Own the logs for as long as the body runs.

    On Cassandra this waits for a ring that does not answer, and for an owner that is alive.

    Raises:
        CannotStart: another process owns the file; or the keyspace or its schema is not there, or not what this program needs.
    """
    if settings.store == "sqlite":
        if settings.data_dir is None:
            raise CannotStart("settings of message_store: data_dir: needed for store=sqlite")
        async with sqlite_log_store(settings.data_dir / "logs.sqlite") as sqlite:
            yield sqlite
    else:
        async with open_session(settings) as session, cassandra_log_store(session, incarnation) as cassandra:
            yield cassandra
