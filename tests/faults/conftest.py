from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.log_keyspace import LogKeyspace
from tests.support.stack import Stack
from tests.support.stacks import BOTH, stack_of


@pytest.fixture(params=BOTH)
async def stack(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack of the test's own, each way of running it in turn."""
    async with stack_of(request, tmp_path) as running:
        yield running


@pytest.fixture
async def logs(logs_in_cassandra: LogKeyspace) -> LogKeyspace:
    """A keyspace as if it were new."""
    await logs_in_cassandra.renew()
    return logs_in_cassandra
