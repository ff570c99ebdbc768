"""Every test of this folder runs over every engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from libs.directory import Directory
from libs.directory.cassandra import cassandra_directory
from libs.directory.sqlite import sqlite_directory
from tests.support.keyspace import Keyspace

ENGINES = ("sqlite", "cassandra")

OpenDirectory = Callable[[], AbstractAsyncContextManager[Directory]]


@pytest.fixture(params=ENGINES)
def open_directory(request: pytest.FixtureRequest, tmp_path: Path) -> OpenDirectory:
    """Opens the test's directory, which is empty at first; one at a time, again and again."""
    if request.param == "sqlite":
        return lambda: sqlite_directory(tmp_path / "deep" / "directory.sqlite")
    in_cassandra: Keyspace = request.getfixturevalue("directory_in_cassandra")
    asyncio.run(in_cassandra.empty())

    @asynccontextmanager
    async def open_cassandra() -> AsyncIterator[Directory]:
        async with in_cassandra.session() as session, cassandra_directory(session) as directory:
            yield directory

    return open_cassandra


@pytest.fixture
async def directory(open_directory: OpenDirectory) -> AsyncIterator[Directory]:
    async with open_directory() as directory:
        yield directory
