"""Fixtures: the misbehaving gateway, and clients of it."""

from collections.abc import AsyncIterator, Callable

import pytest
import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET

from tests.unit.sdk.fake_gateway import FakeGateway, serving

SECRET = tertulia.Secret.parse(DEVELOPMENT_SECRET)

Connect = Callable[..., tertulia.Client]


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
async def address(gateway: FakeGateway) -> AsyncIterator[str]:
    async with serving(gateway) as where:
        yield where


@pytest.fixture
def as_user(address: str) -> Connect:
    """A client of a user, alice where nobody is named."""

    def connect(user_id: str = "alice", *, event_buffer: int = 1_024, receipts: bool = True) -> tertulia.Client:
        return tertulia.connect(address, token=SECRET.user_token(user_id), event_buffer=event_buffer, receipts=receipts)

    return connect


@pytest.fixture
def as_server(address: str) -> Connect:
    """A client of the application itself."""
    return lambda: tertulia.connect(address, token=SECRET.server_token())
