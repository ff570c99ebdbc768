"""One set of processes for all tests of a module; people and channels are each test's own."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.channel.parts import Parts, running_parts
from tests.integration.channel.people import Cast
from tests.support.keyspace import Keyspace


@pytest.fixture(scope="session")
def in_cassandra(directory_in_cassandra: Keyspace) -> Keyspace:
    return directory_in_cassandra


@pytest.fixture(scope="module", params=["sqlite", "cassandra"])
def engine(request: pytest.FixtureRequest) -> Keyspace | None:
    """Where the directory is: an empty keyspace, or None for SQLite."""
    if request.param == "sqlite":
        return None
    keyspace: Keyspace = request.getfixturevalue("in_cassandra")
    asyncio.run(keyspace.empty())
    return keyspace


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parts(tmp_path_factory: pytest.TempPathFactory, engine: Keyspace | None) -> AsyncIterator[Parts]:
    settings = engine.settings if engine else {}
    async with running_parts(
        tmp_path_factory.mktemp("parts"), max_channel_members="5", receipts_max_members="3", **settings
    ) as parts:
        yield parts


@pytest_asyncio.fixture(loop_scope="module")
async def cast(parts: Parts) -> AsyncIterator[Cast]:
    yield Cast(parts)
    parts.link.mend()
