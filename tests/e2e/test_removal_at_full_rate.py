"""I7 under load: people are removed while everybody writes as fast as they can."""

import asyncio
import itertools

import pytest
import tertulia
from tertulia.chat.v1 import message_pb2

from tests.support.people import back_end, make_group, person
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

_STAYING = 4
_REMOVED = 6
_WINDOW = 16  # sends of one person that are open at a time
_WRITTEN_BETWEEN_REMOVALS = 200


class Victim:
    """Somebody who writes without a pause until told that they may not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[int] = []
        """Of the channel's log, in the order in which it was shown."""
        self.removed_at = 0
        """The seq of the removal as it was shown to them."""

    async def live(self, address: str, channel_id: str) -> None:
        async with person(address, self.name) as client, asyncio.TaskGroup() as tasks:
            writers = [tasks.create_task(self._write(client, channel_id)) for _ in range(_WINDOW)]
            await self._read(client)
            await asyncio.wait(writers)
            # what would still come, comes before the answer to a call that is made now
            await client.users.get(self.name)
            await self._read_rest(client)

    async def _write(self, client: tertulia.Client, channel_id: str) -> None:
        for number in itertools.count():
            try:
                await client.send(channel_id, f"{self.name} says {number}")
            except tertulia.Refused:
                return

    async def _read(self, client: tertulia.Client) -> None:
        async for event in client.events():
            self._note(event)
            if self.removed_at:
                return

    async def _read_rest(self, client: tertulia.Client) -> None:
        try:
            async with asyncio.timeout(1):
                async for event in client.events():
                    self._note(event)
        except TimeoutError:
            pass

    def _note(self, event: tertulia.ClientEvent) -> None:
        if isinstance(event, tertulia.MessageReceived):
            self.seen.append(event.message.seq)
        elif isinstance(event, tertulia.MembershipChanged):
            self.seen.append(event.seq)
            if self.name in event.removed:
                self.removed_at = event.seq


async def _talk(address: str, name: str, channel_id: str, written: asyncio.Semaphore) -> None:
    async with person(address, name) as client:

        async def write() -> None:
            while True:
                await client.send(channel_id, "on and on")
                written.release()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WINDOW):
                tasks.create_task(write())


async def _authors(address: str, channel_id: str) -> dict[int, str]:
    """Who caused each event of the log."""
    found: dict[int, str] = {}
    async with back_end(address) as server:
        while True:
            request = message_pb2.ListEventsRequest(channel_id=channel_id, after_seq=len(found), page_size=1000)
            page = await server.call("MessageService/ListEvents", request, message_pb2.ListEventsResponse)
            found |= {event.seq: event.sender_user_id for event in page.slice.events}
            if page.slice.to_seq >= page.slice.head_seq:
                return found


async def test_the_last_that_a_removed_member_gets_is_the_removal_and_nothing_of_theirs_follows_it(
    stack: Stack,
) -> None:
    staying = [f"staying{number}" for number in range(_STAYING)]
    victims = [Victim(f"victim{number}") for number in range(_REMOVED)]
    await make_group(stack.address, "rush", [*staying, *(victim.name for victim in victims)])
    written = asyncio.Semaphore(0)
    async with asyncio.timeout(100), back_end(stack.address) as server, asyncio.TaskGroup() as tasks:
        talking = [tasks.create_task(_talk(stack.address, name, "rush", written)) for name in staying]
        living = [tasks.create_task(victim.live(stack.address, "rush")) for victim in victims]
        for victim in victims:
            for _ in range(_WRITTEN_BETWEEN_REMOVALS):
                await written.acquire()
            await server.channels.remove_members("rush", [victim.name])
        await asyncio.wait(living)
        for task in talking:
            task.cancel()
    authors = await _authors(stack.address, "rush")
    for victim in victims:
        assert victim.removed_at, f"{victim.name} was never told"
        assert max(victim.seen) == victim.removed_at, f"{victim.name} was shown more than the removal"
        assert victim.seen == list(range(victim.seen[0], victim.removed_at + 1)), "without a gap up to it"
        later = [seq for seq, author in authors.items() if author == victim.name and seq > victim.removed_at]
        assert not later, f"{victim.name} wrote after being removed"
        assert any(author == victim.name for author in authors.values()), "else it proves nothing"
