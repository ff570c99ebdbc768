"""People of an application, the development one unless another's secret is given, as SDK clients."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

_SECRET = Secret.parse(DEVELOPMENT_SECRET)


def person(
    address: str | Sequence[str], user_id: str, *, event_buffer: int = 10_000, secret: Secret = _SECRET
) -> tertulia.Client:
    """A client of one user; use it with `async with`."""

    async def token() -> str:
        return secret.user_token(user_id)

    return tertulia.connect(address, token_provider=token, event_buffer=event_buffer, connect_timeout=30)


def back_end(address: str, secret: Secret = _SECRET) -> tertulia.Client:
    """A client with the application's server key."""
    return tertulia.connect(address, token=secret.server_token(), connect_timeout=30)


async def make_group(address: str, channel_id: str, members: Sequence[str], secret: Secret = _SECRET) -> None:
    """A group of the first person's with all of them in it."""
    async with back_end(address, secret) as server:
        await server.users.ensure(list(members))
        await server.acting_for(members[0]).channels.create_group(list(members[1:]), channel_id=channel_id)


async def make_channel(
    address: str, kind: tertulia.ChannelKind, channel_id: str, creator: str, members: Sequence[str] = ()
) -> None:
    """A channel that only a back end can make, in the name of its creator."""
    async with back_end(address) as server:
        await server.users.ensure([creator, *members])
        await server.acting_for(creator).channels.create(kind, members, name=channel_id, channel_id=channel_id)


@asynccontextmanager
async def together(address: str, *user_ids: str) -> AsyncIterator[list[tertulia.Client]]:
    """Several people's clients, connected."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(person(address, user_id)) for user_id in user_ids]
