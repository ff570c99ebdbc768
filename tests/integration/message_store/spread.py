"""Writers to many logs that never stop, and what they were promised."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from tertulia_internal.message_store.v1 import log_pb2

from libs.log_owners.router import RETRY_SECONDS, is_moving
from libs.log_store import shard_of
from libs.rpc.errors import TertuliaError
from tests.integration.message_store.process import item
from tests.support.message_stores import MessageStores
from tests.support.ports import until

_DOWN_SECONDS = 0.1  # until what failed is tried again, as by a gateway


class SpreadLoad:
    """For each log a writer: one message at a time, tried again until it is acknowledged. What is due of a group shares requests."""

    def __init__(self, stores: MessageStores, logs: int, groups: int = 8, pause_seconds: float = 0.0) -> None:
        """`pause_seconds`: of each writer, from an acknowledgement to its next message."""
        self._stores = stores
        self._pause_seconds = pause_seconds
        self._hurry = asyncio.Event()
        self._stopping = False
        self.logs = [log_pb2.LogKey(application_id="app", log_id=os.urandom(16)) for _ in range(logs)]
        self._due = {log.log_id: 0.0 for log in self.logs}
        """When each log's message is to be sent, or tried again."""
        self._groups = [self.logs[number::groups] for number in range(groups)]
        self.acknowledged: dict[bytes, list[int]] = {log.log_id: [] for log in self.logs}
        """The seqs of each log's messages, in order."""
        self.last: dict[bytes, float] = {}
        """When each log had its newest acknowledgement."""
        self.waits_at_same_owner: list[float] = []
        """How long each message took, in seconds, all tries together, which the owner acknowledged that had acknowledged the one before."""
        self.waits_at_new_owner: list[float] = []
        """The same where another one had: its log's shard had changed hands."""
        self._owner: dict[bytes, str] = {}
        """Who acknowledged each log's newest message."""
        self.failures = 0
        """Tries that ended with an error."""
        self.moves = 0
        """Tries that came to a wrong owner."""

    def of_shards(self, shards: Iterable[int]) -> list[log_pb2.LogKey]:
        wanted = set(shards)
        return [log for log in self.logs if shard_of(log) in wanted]

    def hurry(self, logs: Iterable[log_pb2.LogKey]) -> None:
        """Have the next message of some logs written now."""
        self._due |= dict.fromkeys((log.log_id for log in logs), 0.0)
        hurry, self._hurry = self._hurry, asyncio.Event()
        hurry.set()

    async def _write(self, group: list[log_pb2.LogKey]) -> None:
        first_tried: dict[bytes, float] = {}
        while not self._stopping:
            now = time.monotonic()
            due = [log for log in group if self._due[log.log_id] <= now]
            if not due:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(self._due[log.log_id] for log in group) - now):
                        await self._hurry.wait()
                continue
            items = [item(f"id-{len(self.acknowledged[log.log_id]) + 1}", log=log) for log in due]
            for log in due:
                first_tried.setdefault(log.log_id, now)
            owners = [self._stores.router.owner_of(shard_of(log)) for log in due]
            outcomes = await self._stores.router.append(items, 5)
            for log, owner, outcome in zip(due, owners, outcomes, strict=True):
                if isinstance(outcome, TertuliaError):
                    self.failures += 1
                elif is_moving(outcome):
                    self.moves += 1
                else:
                    assert not outcome.refusal
                    self._note(log.log_id, owner, outcome.seq, first_tried.pop(log.log_id))
                    self._due[log.log_id] = time.monotonic() + self._pause_seconds
                    continue
                self._due[log.log_id] = time.monotonic() + (RETRY_SECONDS if is_moving(outcome) else _DOWN_SECONDS)

    def _note(self, log_id: bytes, owner: str, seq: int, first_tried: float) -> None:
        now = time.monotonic()
        self.acknowledged[log_id].append(seq)
        same = self._owner.get(log_id, owner) == owner
        (self.waits_at_same_owner if same else self.waits_at_new_owner).append(now - first_tried)
        self._owner[log_id] = owner
        self.last[log_id] = now

    async def all_acknowledged_since(self, moment: float, logs: Iterable[log_pb2.LogKey], seconds: float = 60) -> None:
        wanted = [log.log_id for log in logs]
        await until(lambda: all(self.last.get(log_id, 0) > moment for log_id in wanted), "all are written to", seconds)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """They write while the body runs; then every log must hold what was acknowledged, once and in order."""
        async with asyncio.TaskGroup() as tasks:
            for group in self._groups:
                tasks.create_task(self._write(group))
            await self.all_acknowledged_since(0, self.logs)
            yield
            self.hurry(self.logs)
            await self.all_acknowledged_since(time.monotonic(), self.logs)
            self._stopping = True
        await self.check()

    async def check(self) -> None:
        for log in self.logs:
            events = await self._stores.everything(log)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            ids = [event.client_id for event in events]
            assert [client_id for client_id, times in Counter(ids).items() if times > 1] == []
            seqs = {event.client_id: event.seq for event in events}
            acknowledged = self.acknowledged[log.log_id]
            assert [seqs.get(f"id-{number + 1}") for number in range(len(acknowledged))] == acknowledged
