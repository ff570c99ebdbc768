"""One set of processes for the tests of a module that break nothing; people and channels are each test's own."""

import secrets
from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio

from tests.integration.gateway.cast import Cast
from tests.integration.gateway.client import connection
from tests.integration.gateway.processes import Around, running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def around(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Around]:
    async with running(tmp_path_factory.mktemp("gw"), max_delta_events=50, queue_bytes=64 * 1024) as around:
        yield around


@pytest_asyncio.fixture(loop_scope="module")
async def channel(around: Around) -> AsyncIterator[grpc.aio.Channel]:
    async with connection(around.gateway.address) as channel:
        yield channel


@pytest_asyncio.fixture(loop_scope="module")
async def cast(channel: grpc.aio.Channel) -> Cast:
    return Cast(channel, secrets.token_hex(4))
