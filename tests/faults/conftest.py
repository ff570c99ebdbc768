from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.cql import ContactPoint
from tests.support.log_keyspace import LogKeyspace, log_keyspace
from tests.support.stack import Stack
from tests.support.stacks import BOTH, stack_of


@pytest.fixture(params=BOTH)
async def stack(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack of the test's own, each way of running it in turn."""
    async with stack_of(request, tmp_path) as running:
        yield running


@pytest.fixture
async def logs(cassandra: ContactPoint) -> AsyncIterator[LogKeyspace]:
    async with log_keyspace(cassandra) as logs:
        yield logs
