"""People who talk in one channel while things break, and a record of all that they did and saw."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import tertulia
from tertulia.chat.v1 import message_pb2
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.faults.checker import Entry, Outcome, Recording, SendRecord
from tests.support.people import back_end, make_group, person

DEVELOPMENT = Secret.parse(DEVELOPMENT_SECRET)
SEND_SECONDS = 60.0
"""Longer than any part is away: what is not acknowledged by then counts as unknown."""


class Talkers:
    """So many clients, each sending its next message when the last one was answered, until told to stop."""

    def __init__(self, address: str, channel_id: str, count: int, secret: Secret = DEVELOPMENT) -> None:
        self.address = address
        self.secret = secret
        self.channel_id = channel_id
        self.names = [f"talker{number:02}" for number in range(count)]
        self.recording = Recording()
        self.moved = 0
        """How often a client lost its session, and went on in another."""
        self._moments = itertools.count(1)
        self._stop = asyncio.Event()
        self._acknowledged = asyncio.Condition()

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[None]:
        """They talk while the body runs. On leaving, open sends are waited for, then everybody sees all up to the head."""
        await make_group(self.address, self.channel_id, self.names, self.secret)
        async with AsyncExitStack() as connections, asyncio.TaskGroup() as group:
            clients = [
                await connections.enter_async_context(person(self.address, name, secret=self.secret))
                for name in self.names
            ]
            readers = [
                group.create_task(self._read(name, client)) for name, client in zip(self.names, clients, strict=True)
            ]
            senders = [
                group.create_task(self._send(name, client)) for name, client in zip(self.names, clients, strict=True)
            ]
            yield
            self._stop.set()
            await asyncio.wait(senders)
            last = await clients[0].send(self.channel_id, "that was all", client_message_id="the-last-one")
            self.recording.sends.append(
                SendRecord(
                    "the-last-one",
                    self.names[0],
                    "that was all",
                    begun=next(self._moments),
                    ended=next(self._moments),
                    outcome=Outcome.ACKNOWLEDGED,
                    seq=last.seq,
                )
            )
            async with asyncio.timeout(60):
                await asyncio.wait(readers)

    async def acknowledged(self, more: int) -> None:
        """Wait until that many further sends were acknowledged."""
        wanted = self._count() + more
        async with asyncio.timeout(120), self._acknowledged:
            await self._acknowledged.wait_for(lambda: self._count() >= wanted)

    async def history(self) -> list[Entry]:
        """The channel as it reads now, all events from the first."""
        async with back_end(self.address, self.secret) as server:
            return [entry async for entry in _events(server, self.channel_id)]

    def _count(self) -> int:
        return sum(send.outcome is Outcome.ACKNOWLEDGED for send in self.recording.sends)

    async def _send(self, name: str, client: tertulia.Client) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            record = SendRecord(f"{name}-{number}", name, f"message {number} of {name}", begun=next(self._moments))
            self.recording.sends.append(record)
            try:
                sent = await client.send(
                    self.channel_id, record.text, client_message_id=record.client_id, timeout=SEND_SECONDS
                )
            except (tertulia.OutcomeUnknown, tertulia.Unreachable):
                continue
            except tertulia.Refused:
                record.outcome = Outcome.REFUSED
                continue
            finally:
                record.ended = next(self._moments)
            record.seq = sent.seq
            record.outcome = Outcome.ACKNOWLEDGED
            async with self._acknowledged:
                self._acknowledged.notify_all()

    async def _read(self, name: str, client: tertulia.Client) -> None:
        shown = self.recording.shown.setdefault(name, [])
        async for event in client.events():
            if isinstance(event, tertulia.MessageReceived):
                message = event.message
                shown.append(Entry(message.seq, "message", message.author, message.client_message_id, message.text))
                if message.client_message_id == "the-last-one":
                    return
            elif isinstance(event, tertulia.MembershipChanged):
                shown.append(_membership(event.seq, event.by, event.added, event.removed))
            elif isinstance(event, tertulia.ConnectionChanged) and event.state is tertulia.ConnectionState.CONNECTING:
                self.moved += 1


def _membership(seq: int, by: str, added: Iterable[str], removed: Iterable[str]) -> Entry:
    return Entry(seq, "membership_change", by, "", f"added {sorted(added)}, removed {sorted(removed)}")


async def _events(server: tertulia.Client, channel_id: str) -> AsyncIterator[Entry]:
    """All events, read through the API as a client that fills a gap would."""
    seq = 0
    while True:
        request = message_pb2.ListEventsRequest(channel_id=channel_id, after_seq=seq, page_size=1000)
        page = await server.call("MessageService/ListEvents", request, message_pb2.ListEventsResponse)
        for event in page.slice.events:
            if event.HasField("message"):
                yield Entry(event.seq, "message", event.sender_user_id, event.client_id, event.message.text)
            else:
                change = event.membership_change
                yield _membership(event.seq, event.sender_user_id, change.added_user_ids, change.removed_user_ids)
        seq = page.slice.to_seq
        if seq >= page.slice.head_seq:
            return
