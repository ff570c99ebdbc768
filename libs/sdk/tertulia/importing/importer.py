"""Sending what files hold into a channel: in their order, with the original authors and times, and each line once.

Each line has a message id that follows from its content. Before anything is sent, the ids that the channel has already are
read, and only what is missing is sent; the server recognises by the id what an earlier, interrupted import left in flight.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tertulia.actor import Actor
from tertulia.client import Client
from tertulia.errors import NotFound, TertuliaError
from tertulia.importing.records import Rejected, Said, System
from tertulia.importing.source import Source
from tertulia.models import Sent

SEND_SECONDS = 120.0
"""How long one message may take: longer than a server takes to come back."""


class OrderBroken(TertuliaError):
    """Messages were not appended in the order of the files. Somebody else is importing the same, or the server failed."""


@dataclass(slots=True)
class Tally:
    """What became of a file's lines: messages + actions + system + rejected = lines."""

    lines: int = 0
    messages: int = 0
    actions: int = 0
    system: int = 0
    rejected: int = 0
    latin1: int = 0
    """Of the messages and actions: those that are not UTF-8."""
    sent: int = 0
    already_there: int = 0

    def add(self, other: "Tally") -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


Report = Callable[[Source, int, str], None]
"""Called with a file, a line's number and what is to be said of it."""


class Importer:
    """Imports sources into one channel, with a client of a server token."""

    def __init__(self, client: Client, channel_id: str, *, creator: str, concurrency: int) -> None:
        self._client = client
        self._channel_id = channel_id
        self._creator = creator
        self._concurrency = concurrency
        self._actors: dict[str, Actor] = {}
        self._there: set[str] = set()
        self._last_seq = 0  # the head when what is there was read, then the seq of what was acknowledged last

    async def prepare(self, authors: Sequence[str], on_progress: Callable[[int], None]) -> None:
        """Make the channel, its users and members where they are missing, and read what is there already.

        `on_progress` hears how many messages of the channel have been read.

        Raises:
            TertuliaError: it could not be done.
        """
        people = list(dict.fromkeys([*([self._creator] if self._creator else []), *authors]))
        if people:
            await self._ensure_users(people)
        await self._ensure_channel()
        if people:
            await self._client.channels.add_members(self._channel_id, people)
        self._last_seq = await self._client.messages.head(self._channel_id)
        read = 0
        async for message in self._client.messages.oldest_first(self._channel_id):
            if message.client_message_id.startswith("import-"):
                self._there.add(message.client_message_id)
            read += 1
            on_progress(read)

    async def send(self, source: Source, report: Report, on_line: Callable[[], None]) -> Tally:
        """Send what is missing of a file. `on_line` is called for each line that is done.

        Raises:
            OrderBroken: the server did not keep the order.
            TertuliaError: a message could not be sent; what came before it was.
        """
        tally = Tally()
        open_sends: deque[asyncio.Task[Sent]] = deque()
        try:
            for line in source.lines():
                tally.lines += 1
                match line.record:
                    case System():
                        tally.system += 1
                        on_line()
                    case Rejected(reason):
                        tally.rejected += 1
                        report(source, line.number, reason)
                        on_line()
                    case Said() as said:
                        _count(tally, said)
                        if said.note:
                            report(source, line.number, said.note)
                        if line.message_id in self._there:
                            tally.already_there += 1
                            on_line()
                            continue
                        open_sends.append(asyncio.create_task(self._send(said, line.message_id)))
                        if len(open_sends) >= self._concurrency:
                            await self._acknowledged(open_sends.popleft(), tally, on_line)
            while open_sends:
                await self._acknowledged(open_sends.popleft(), tally, on_line)
        finally:
            for task in open_sends:
                task.cancel()
            await asyncio.gather(*open_sends, return_exceptions=True)
        return tally

    async def _send(self, said: Said, message_id: str) -> Sent:
        actor = self._actors.get(said.author)
        if actor is None:
            actor = self._actors[said.author] = self._client.acting_for(said.author)
        return await actor.send(
            self._channel_id,
            said.text,
            custom_type=said.custom_type,
            custom_data=said.custom_data,
            original_time_ms=said.time_ms,
            client_message_id=message_id,
            after_seq=self._last_seq,
            timeout=SEND_SECONDS,
        )

    async def _acknowledged(self, task: asyncio.Task[Sent], tally: Tally, on_line: Callable[[], None]) -> None:
        sent = await task
        if sent.seq <= self._last_seq:
            raise OrderBroken(
                f"a message got seq {sent.seq} after one that got {self._last_seq}: the order of the files is not kept"
            )
        self._last_seq = sent.seq
        tally.sent += 1
        on_line()

    async def _ensure_users(self, people: Sequence[str]) -> None:
        """A user's name is its nick, unless it has one already."""
        unnamed = [user.user_id for user in await self._client.users.ensure(people) if not user.name]
        if unnamed:
            await self._client.users.set_names({user_id: user_id for user_id in unnamed})

    async def _ensure_channel(self) -> None:
        try:
            await self._client.channels.get(self._channel_id)
        except NotFound:
            creator = self._client.acting_for(self._creator) if self._creator else self._client
            await creator.channels.create_group(channel_id=self._channel_id, name=self._channel_id)


def _count(tally: Tally, said: Said) -> None:
    if said.action:
        tally.actions += 1
    else:
        tally.messages += 1
    tally.latin1 += bool(said.note)
