from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.message_store.process import MessageStore, message_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MessageStore]:
    async with message_store(tmp_path) as store:
        yield store
