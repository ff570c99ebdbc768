from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.cassandra import shared_cassandra
from tests.support.cql import ContactPoint
from tests.support.log_keyspace import LogKeyspace, log_keyspace


@pytest.fixture(scope="session")
def cassandra() -> Iterator[ContactPoint]:
    with shared_cassandra() as points:
        yield points[0]


@pytest.fixture
async def logs(cassandra: ContactPoint) -> AsyncIterator[LogKeyspace]:
    """A keyspace of the test's own."""
    async with log_keyspace(cassandra) as logs:
        yield logs
