"""The engines, and a store of each."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from libs.log_store import LogStore
from libs.log_store.sqlite import sqlite_log_store

OpenStore = Callable[[], AbstractAsyncContextManager[LogStore]]


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the test's store; one at a time, again and again."""
    openers: dict[str, OpenStore] = {"sqlite": lambda: sqlite_log_store(tmp_path / "logs.sqlite")}
    return openers[request.param]


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[LogStore]:
    async with open_store() as store:
        yield store
