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
        self._there: dict[str, int] = {}  # message id → seq
        self._places: dict[int, int] = {}  # of the file at work: its seqs → those of the channel
        self._sending: dict[int, asyncio.Task[Sent]] = {}  # … and of what is on its way
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
                self._there[message.client_message_id] = message.seq
            read += 1
            on_progress(read)

    async def send(self, source: Source, report: Report, on_line: Callable[[], None]) -> Tally:
        """Send what is missing of a file. `on_line` is called for each line that is done.

        Raises:
            OrderBroken: the server did not keep the order.
            TertuliaError: a message could not be sent; what came before it was.
        """
        tally = Tally()
        open_sends: deque[tuple[int, asyncio.Task[Sent]]] = deque()
        self._places.clear()
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
                        if (seq := self._there.get(line.message_id)) is not None:
                            self._places[said.seq] = seq
                            tally.already_there += 1
                            on_line()
                            continue
                        reply_to = await self._answered(said)
                        if said.reply_to and not reply_to:
                            report(source, line.number, f"answers {said.reply_to}, which does not stand above it")
                        sending = asyncio.create_task(self._send(said, reply_to, line.message_id))
                        self._sending[said.seq] = sending
                        open_sends.append((said.seq, sending))
                        if len(open_sends) >= self._concurrency:
                            await self._acknowledged(*open_sends.popleft(), tally, on_line)
            while open_sends:
                await self._acknowledged(*open_sends.popleft(), tally, on_line)
        finally:
            tasks = [task for _, task in open_sends]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._sending.clear()
        return tally

    async def _answered(self, said: Said) -> int:
        """The seq of the message that this one answers, once it has one; 0: none, or none that is known."""
        if not said.reply_to:
            return 0
        if (sending := self._sending.get(said.reply_to)) is not None:
            return (await sending).seq
        return self._places.get(said.reply_to, 0)

    async def _send(self, said: Said, reply_to: int, message_id: str) -> Sent:
        actor = self._actors.get(said.author)
        if actor is None:
            actor = self._actors[said.author] = self._client.acting_for(said.author)
        return await actor.send(
            self._channel_id,
            said.text,
            reply_to=reply_to,
            mentions=said.mentions,
            custom_type=said.custom_type,
            custom_data=said.custom_data,
            original_time_ms=said.time_ms,
            client_message_id=message_id,
            after_seq=self._last_seq,
            timeout=SEND_SECONDS,
        )

    async def _acknowledged(
        self, place: int, task: asyncio.Task[Sent], tally: Tally, on_line: Callable[[], None]
    ) -> None:
        sent = await task
        self._sending.pop(place, None)
        self._places[place] = sent.seq
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
