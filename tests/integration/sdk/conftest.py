"""One stack for all tests here: each uses channels and users of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET

from tests.support.stack import Stack, running_stack

SECRET = tertulia.Secret.parse(DEVELOPMENT_SECRET)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path_factory.mktemp("stack") / "data") as running:
        yield running


def client_of(stack: Stack, user_id: str) -> tertulia.Client:
    return tertulia.connect(stack.address, token=SECRET.user_token(user_id))


async def make_group(stack: Stack, channel_id: str, *members: str) -> None:
    """A group of these people, the first being its owner."""
    async with tertulia.connect(stack.address, token=SECRET.server_token()) as server:
        await server.users.ensure(members)
        await server.acting_for(members[0]).channels.create_group(members[1:], channel_id=channel_id)
