"""Opens the stores on one SQLite file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from libs.directory.directory import Directory
from libs.directory.sqlite.applications import SqliteApplications
from libs.directory.sqlite.blocks import SqliteBlocks
from libs.directory.sqlite.calls import Calls
from libs.directory.sqlite.channels import SqliteChannels
from libs.directory.sqlite.members import SqliteMembers
from libs.directory.sqlite.names import SqliteNames
from libs.directory.sqlite.positions import SqlitePositions
from libs.directory.sqlite.preferences import SqlitePreferences
from libs.directory.sqlite.revocations import SqliteRevocations
from libs.directory.sqlite.schema import MIGRATIONS
from libs.directory.sqlite.users import SqliteUsers
from libs.sqlite import open_database


@asynccontextmanager
async def sqlite_directory(path: Path) -> AsyncIterator[Directory]:
    """Hold the directory at `path` for as long as the body runs; make it if there is none.

    Raises:
        DatabaseLocked: another process holds it.
        CannotStart: the file cannot be used.
    """
    async with open_database(path, MIGRATIONS) as database:
        calls = Calls(database)
        yield Directory(
            applications=SqliteApplications(calls),
            users=SqliteUsers(calls),
            channels=SqliteChannels(calls),
            members=SqliteMembers(calls),
            positions=SqlitePositions(calls),
            preferences=SqlitePreferences(calls),
            blocks=SqliteBlocks(calls),
            names=SqliteNames(calls),
            revocations=SqliteRevocations(calls),
        )
