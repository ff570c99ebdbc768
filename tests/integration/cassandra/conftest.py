from collections.abc import AsyncIterator

import pytest

from tests.support.cql import ContactPoint
from tests.support.log_keyspace import LogKeyspace, log_keyspace


@pytest.fixture
async def logs(logs_in_cassandra: LogKeyspace) -> LogKeyspace:
    """A keyspace as if it were new."""
    await logs_in_cassandra.renew()
    return logs_in_cassandra


@pytest.fixture
async def logs_to_break(cassandra: ContactPoint) -> AsyncIterator[LogKeyspace]:
    """A keyspace of the test's own, whose schema it may change."""
    async with log_keyspace(cassandra) as logs:
        yield logs
