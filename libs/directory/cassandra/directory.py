"""Opens the stores on a keyspace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.cassandra import Session, check_schema
from libs.directory.cassandra.applications import CassandraApplications
from libs.directory.cassandra.blocks import CassandraBlocks
from libs.directory.cassandra.calls import Calls
from libs.directory.cassandra.channels import CassandraChannels
from libs.directory.cassandra.members import CassandraMembers
from libs.directory.cassandra.names import CassandraNames
from libs.directory.cassandra.positions import CassandraPositions
from libs.directory.cassandra.preferences import CassandraPreferences
from libs.directory.cassandra.revocations import CassandraRevocations
from libs.directory.cassandra.schema import COMPONENT, MIGRATIONS
from libs.directory.cassandra.users import CassandraUsers
from libs.directory.directory import Directory


@asynccontextmanager
async def cassandra_directory(session: Session) -> AsyncIterator[Directory]:
    """The directory in the session's keyspace, which any number of processes may use at a time.

    Raises:
        CannotStart: the schema is not the one that this program knows.
        CassandraError: that could not be read.
    """
    await check_schema(session, COMPONENT, MIGRATIONS)
    calls = Calls(session)
    yield Directory(
        applications=CassandraApplications(calls),
        users=CassandraUsers(calls),
        channels=CassandraChannels(calls),
        members=CassandraMembers(calls),
        positions=CassandraPositions(calls),
        preferences=CassandraPreferences(calls),
        blocks=CassandraBlocks(calls),
        names=CassandraNames(calls),
        revocations=CassandraRevocations(calls),
    )
