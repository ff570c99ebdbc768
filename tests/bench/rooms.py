"""Users and rooms to measure with, made through the SDK before anything is measured."""

import asyncio
from collections.abc import Mapping, Sequence

import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_AT_ONCE = 16
_USERS_PER_CALL = 100
_MEMBERS_PER_CALL = 99


async def make_rooms(address: str, rooms: Mapping[str, Sequence[str]]) -> None:
    """Make the rooms with their members, the users too."""
    users = sorted({user for members in rooms.values() for user in members})
    turn = asyncio.Semaphore(_AT_ONCE)

    async def make(room: str, members: Sequence[str]) -> None:
        async with turn:
            owner = server.acting_for(members[0]).channels
            await owner.create_group(list(members[1 : 1 + _MEMBERS_PER_CALL]), channel_id=room)
            for start in range(1 + _MEMBERS_PER_CALL, len(members), _MEMBERS_PER_CALL):
                await owner.add_members(room, list(members[start : start + _MEMBERS_PER_CALL]))

    async with tertulia.connect(address, token_provider=_server_token, connect_timeout=30) as server:
        for start in range(0, len(users), _USERS_PER_CALL):
            await server.users.ensure(users[start : start + _USERS_PER_CALL])
        async with asyncio.TaskGroup() as tasks:
            for room, members in rooms.items():
                tasks.create_task(make(room, members))


async def _server_token() -> str:
    """A new one each time: 100,000 channels may take longer than a token lives."""
    return _SECRET.server_token()


def crossed(users: Sequence[str], rooms_per_user: int, members: int, prefix: str) -> dict[str, list[str]]:
    """Rooms of so many members, each user in so many of them; no two users meet in more than one room."""
    rooms: dict[str, list[str]] = {}
    columns = len(users) // members
    for turn in range(rooms_per_user):
        for column in range(columns):
            # the users stand in `members` rows; each turn shears them further
            rooms[f"{prefix}{len(rooms)}"] = [
                users[row * columns + (column + row * turn) % columns] for row in range(members)
            ]
    return rooms
