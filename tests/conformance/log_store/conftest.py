"""The engines, and a store of each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from libs.log_store import LogStore
from libs.log_store.sqlite import sqlite_log_store
from tests.support.log_keyspace import LogKeyspace, owned_alone

OpenStore = Callable[[], AbstractAsyncContextManager[LogStore]]
Contents = Callable[[], Awaitable[bytes]]


@pytest.fixture(params=["sqlite", "cassandra"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens the test's store; one at a time, again and again."""
    if request.param == "sqlite":
        return lambda: sqlite_log_store(tmp_path / "logs.sqlite")
    logs: LogKeyspace = request.getfixturevalue("logs_in_cassandra")
    asyncio.run(logs.empty_logs())

    @asynccontextmanager
    async def open_cassandra() -> AsyncIterator[LogStore]:
        async with logs.session() as session, owned_alone(session) as store:
            yield store

    return open_cassandra


@pytest.fixture
def contents(request: pytest.FixtureRequest, open_store: OpenStore, tmp_path: Path) -> Contents:
    """What the test's database holds: the files of SQLite to the last byte, the values in Cassandra's tables."""
    if open_store.__name__ == "open_cassandra":
        logs: LogKeyspace = request.getfixturevalue("logs_in_cassandra")
        return logs.contents

    def read_all() -> bytes:
        return b"\0".join(path.read_bytes() for path in tmp_path.iterdir())

    return lambda: asyncio.to_thread(read_all)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[LogStore]:
    async with open_store() as store:
        yield store
