"""Senders that never stop, and what they were promised."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tertulia.chat.v1 import event_pb2

from libs.rpc.errors import TertuliaError, Unavailable
from tests.integration.message_store.process import MessageStore, item
from tests.support.ports import until

SENDERS = 8
_HEALED_SECONDS = 30.0


class Load:
    """Senders that go on until told to stop. Each sends one message at a time and retries it until it is acknowledged."""

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._stopping = False
        self.acknowledged: dict[str, int] = {}
        self.retried: set[str] = set()
        self.errors = 0
        """Tries that were not acknowledged."""
        self.worst_seconds = 0.0
        """The longest that a sender waited for an acknowledgement, all tries together."""
        self.most_seen = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as senders:
            for number in range(SENDERS):
                senders.create_task(self._send(number))

    def stop(self) -> None:
        self._stopping = True

    async def _send(self, sender: int) -> None:
        number = 0
        while not self._stopping:
            number += 1
            client_id = f"{sender}-{number}"
            message = item(client_id, after_seq=self.most_seen)
            begun = time.monotonic()
            while client_id not in self.acknowledged:
                try:
                    (seq,) = await self._store.append(message)
                except TertuliaError:
                    self.retried.add(client_id)
                    self.errors += 1
                    await asyncio.sleep(0.02)  # the pace of a client that tries again
                else:
                    self.acknowledged[client_id] = seq
                    self.worst_seconds = max(self.worst_seconds, time.monotonic() - begun)
                    self.most_seen = max(self.most_seen, seq)

    async def until_more(self, count: int) -> None:
        target = len(self.acknowledged) + count
        await until(lambda: len(self.acknowledged) >= target, f"{count} more acknowledged", seconds=30)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """They send while the body runs, and some before and after it; then the log must hold what was acknowledged."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.run())
            await self.until_more(50)
            yield
            await self.until_more(50)
            self.stop()
            await running
        await self.check()

    async def check(self) -> None:
        """The log holds every acknowledged message at its seq, and none twice."""
        events = await self._everything()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.message_count for event in events] == list(range(1, len(events) + 1))
        assert [client_id for client_id, times in Counter(e.client_id for e in events).items() if times > 1] == []
        seqs = {event.client_id: event.seq for event in events}
        assert {client_id: seqs.get(client_id) for client_id in self.acknowledged} == self.acknowledged

    async def _everything(self) -> list[event_pb2.Event]:
        """Asked for again as its senders ask: what was killed may still be slow."""
        async with asyncio.timeout(_HEALED_SECONDS):
            while True:
                with suppress(Unavailable):
                    return await self._store.everything()
