"""The engine of the directory, as the settings say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.cassandra.settings import open_session
from libs.directory import Directory
from libs.directory.cassandra import cassandra_directory
from libs.directory.sqlite import sqlite_directory
from libs.runtime.errors import CannotStart
from services.channel.settings import ChannelSettings


@asynccontextmanager
async def open_directory(settings: ChannelSettings) -> AsyncIterator[Directory]:
    """Hold the directory for as long as the body runs. A ring of Cassandra that does not answer is waited for.

    Raises:
        CannotStart: another process holds the file; or the keyspace or its schema is not there, or not what this program needs.
    """
    if settings.store == "sqlite":
        if settings.database is None:
            raise CannotStart("settings of channel: database: needed for store=sqlite")
        async with sqlite_directory(settings.database) as directory:
            yield directory
    else:
        async with open_session(settings) as session, cassandra_directory(session) as directory:
            yield directory
