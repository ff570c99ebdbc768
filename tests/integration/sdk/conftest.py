"""One stack for all tests here: each uses channels and users of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.stack import ServeStack, running_stack


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServeStack]:
    async with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running
