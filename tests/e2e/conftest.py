"""A stack for all stories of a file, each way of running it in turn."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.stack import Stack
from tests.support.stacks import BOTH, stack_of


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BOTH)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with stack_of(request, tmp_path_factory.mktemp("stack")) as running:
        yield running
