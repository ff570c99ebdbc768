"""One stack for the tests of a module, with a door that has the default settings; people and channels are each test's own."""

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.gateway.processes import server_token, user_token
from tests.integration.web.door import Door, Http, running_door
from tests.support.stack import ServeStack, running_stack


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServeStack]:
    async with running_stack(tmp_path_factory.mktemp("web") / "data") as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def door(stack: ServeStack) -> AsyncIterator[Door]:
    async with running_door(stack.address, stack.data.parent) as door:
        yield door


class Room:
    """A group of two people who exist nowhere else."""

    def __init__(self, url: str) -> None:
        mark = secrets.token_hex(4)
        self.url = url
        self.channel_id = f"room-{mark}"
        self.names = (f"ann-{mark}", f"ben-{mark}")
        self.server = Http(url, server_token())
        self.ann, self.ben = (Http(url, user_token(name)) for name in self.names)
        self._sent = 0

    async def make(self) -> None:
        await self.server.ask("UserService/UpsertUsers", {"users": [{"userId": name} for name in self.names]})
        request = {"kind": "CHANNEL_KIND_GROUP", "channelId": self.channel_id, "memberUserIds": [self.names[1]]}
        answer = await self.server.call("ChannelService/CreateChannel", request, tertulia_user=self.names[0])
        assert answer.status == 200, answer.body

    async def say(self, text: str) -> int:
        """Ann says something: its seq."""
        self._sent += 1
        send = {"channelId": self.channel_id, "clientMessageId": f"m{self._sent}", "message": {"text": text}}
        return int((await self.ann.ask("MessageService/SendMessage", send))["seq"])


@pytest_asyncio.fixture(loop_scope="module")
async def room(door: Door) -> Room:
    room = Room(door.url)
    await room.make()
    return room
