from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.message_store.owner import Owner, owner_of


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    async with owner_of(tmp_path) as owner:
        yield owner
