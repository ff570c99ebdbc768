"""One set of processes for all tests of a module; people and channels are each test's own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.channel.parts import Parts, running_parts
from tests.integration.channel.people import Cast


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Parts]:
    async with running_parts(
        tmp_path_factory.mktemp("parts"), max_channel_members="5", receipts_max_members="3"
    ) as parts:
        yield parts


@pytest_asyncio.fixture(loop_scope="module")
async def cast(parts: Parts) -> AsyncIterator[Cast]:
    yield Cast(parts)
    parts.link.mend()
