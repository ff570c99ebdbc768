"""A directory on Cassandra, over a connection that can be made to fail."""

from collections.abc import AsyncIterator

import pytest

from libs.directory import Directory
from libs.directory.cassandra import cassandra_directory
from tests.integration.directory.weak_session import WeakSession
from tests.support.keyspace import Keyspace


@pytest.fixture
async def session(directory_in_cassandra: Keyspace) -> AsyncIterator[WeakSession]:
    await directory_in_cassandra.empty()
    async with directory_in_cassandra.session() as session:
        yield WeakSession(session)


@pytest.fixture
async def directory(session: WeakSession) -> AsyncIterator[Directory]:
    async with cassandra_directory(session) as directory:
        yield directory
