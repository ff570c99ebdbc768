"""A server of a test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.integration.http2.echo import Handlers, echoing
from tests.integration.http2.raw import Peer, peer


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """As services run, and as asyncio has it: their transports differ."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def address(handlers: Handlers) -> AsyncIterator[str]:
    async with echoing(handlers) as address:
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[Peer]:
    async with peer(address) as client:
        yield client
