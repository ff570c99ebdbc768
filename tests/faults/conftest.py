import pytest

from tests.support.log_keyspace import LogKeyspace


@pytest.fixture
async def logs(logs_in_cassandra: LogKeyspace) -> LogKeyspace:
    """A keyspace as if it were new."""
    await logs_in_cassandra.renew()
    return logs_in_cassandra
