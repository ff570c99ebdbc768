from collections.abc import AsyncIterator

import pytest

from tests.support.cql import ContactPoint
from tests.support.log_keyspace import LogKeyspace, log_keyspace


@pytest.fixture
async def logs(cassandra: ContactPoint) -> AsyncIterator[LogKeyspace]:
    """A keyspace of the test's own."""
    async with log_keyspace(cassandra) as logs:
        yield logs
