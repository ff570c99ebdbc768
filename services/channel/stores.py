"""The engine of the directory, as the settings say."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from libs.cassandra import Session, cassandra_session
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


def open_session(settings: ChannelSettings, create_with_replicas: int = 0) -> AbstractAsyncContextManager[Session]:
    """Connect to the keyspace; with `create_with_replicas` make it if it is missing.

    Raises:
        CannotStart: there is no such keyspace, or the credentials are wrong.
    """
    return cassandra_session(
        settings.cassandra_contact_points,
        settings.cassandra_keyspace,
        data_center=settings.cassandra_data_center,
        user=settings.cassandra_user,
        password=settings.cassandra_password.get_secret_value(),
        create_with_replicas=create_with_replicas,
    )
