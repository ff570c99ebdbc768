"""A directory on Cassandra, over a connection that can be made to fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from libs.directory import Directory
from libs.directory.cassandra import cassandra_directory
from tests.integration.directory.weak_session import WeakSession
from tests.support.cassandra import shared_cassandra
from tests.support.directory_keyspace import DirectoryKeyspace, directory_keyspace


@pytest.fixture(scope="session")
def in_cassandra() -> Iterator[DirectoryKeyspace]:
    with shared_cassandra() as points, asyncio.Runner() as runner:
        opening = directory_keyspace(points[0])
        yield runner.run(opening.__aenter__())
        runner.run(opening.__aexit__(None, None, None))


@pytest.fixture
async def session(in_cassandra: DirectoryKeyspace) -> AsyncIterator[WeakSession]:
    await in_cassandra.empty()
    async with in_cassandra.session() as session:
        yield WeakSession(session)


@pytest.fixture
async def directory(session: WeakSession) -> AsyncIterator[Directory]:
    async with cassandra_directory(session) as directory:
        yield directory
