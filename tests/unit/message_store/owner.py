"""An owner of logs in the test's own process, on a store that can be made to fail, with a bus that remembers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import event_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.bus import Subscription
from libs.bus.subjects import log_subject
from libs.log_store import (
    Changes,
    Entry,
    Fenced,
    Head,
    LogBatch,
    LogKey,
    LogPosition,
    LogStore,
    MentionQuery,
    Millis,
    Recovered,
    SendId,
    Sent,
    Seq,
    SeqTaken,
    Shown,
    StoreUnavailable,
)
from libs.log_store.sqlite import sqlite_log_store
from libs.runtime.process import running
from services.message_store.committer import Committer
from services.message_store.items import Item, items_of
from services.message_store.metrics import AppendMetrics
from services.message_store.publisher import Publisher
from services.message_store.reader import LogReader
from services.message_store.sequencer import REMEMBERED_EVENTS
from services.message_store.states import LogStates

LOG = LogKey("app", b"0123456789abcdef")
OTHER = LogKey("app", b"another log 0002")
NOW = Millis(1_700_000_000_000)


def item(
    client_id: str,
    *,
    text: str = "hello",
    log: LogKey = LOG,
    sender: str = "alice",
    after_seq: int | None = None,
    policy_version: int = 0,
    target_seq: int = 0,
    control: bool = False,
    mentions: Sequence[str] = (),
    slow_mode_ms: int = 0,
) -> log_pb2.AppendItem:
    """What a gateway, or the channel service, asks to append: a message, a reply if it has a target, or a control event."""
    event = event_pb2.Event()
    if control:
        event.membership_change.added_user_ids.append(text)
    else:
        event.message.text = text
        event.message.reply_to_seq = target_seq
        event.message.mentioned_user_ids.extend(mentions)
    return log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=log.application_id, log_id=log.log_id),
        kind=log_pb2.EVENT_KIND_CONTROL if control else log_pb2.EVENT_KIND_MESSAGE,
        sender_user_id=sender,
        slow_mode_ms=slow_mode_ms,
        client_id=client_id,
        after_seq=after_seq,
        policy_version=policy_version,
        content=event.SerializeToString(),
        target_seq=target_seq,
    )


def edit(client_id: str, target: int, text: str, **other: str) -> log_pb2.AppendItem:
    """An edit by the message's author, unless `author` is another."""
    edited = event_pb2.MessageEdited(target_seq=target, message=event_pb2.Message(text=text))
    return _about(client_id, target, log_pb2.EVENT_KIND_EDIT, event_pb2.Event(message_edited=edited), **other)


def deletion(client_id: str, target: int, **other: str) -> log_pb2.AppendItem:
    """A deletion by the message's author, unless `author` is another."""
    deleted = event_pb2.MessageDeleted(target_seq=target)
    return _about(client_id, target, log_pb2.EVENT_KIND_DELETION, event_pb2.Event(message_deleted=deleted), **other)


def reaction(
    client_id: str, target: int, key: str, *, sender: str = "bob", removed: bool = False
) -> log_pb2.AppendItem:
    changed = event_pb2.ReactionChanged(target_seq=target, key=key, removed=removed)
    content = event_pb2.Event(reaction_changed=changed)
    about = _about(client_id, target, log_pb2.EVENT_KIND_REACTION, content, sender=sender)
    about.ClearField("target_sender_user_id")
    return about


def _about(
    client_id: str,
    target: int,
    kind: log_pb2.EventKind.ValueType,
    content: event_pb2.Event,
    *,
    sender: str = "alice",
    author: str = "alice",
) -> log_pb2.AppendItem:
    return log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=LOG.application_id, log_id=LOG.log_id),
        kind=kind,
        sender_user_id=sender,
        client_id=client_id,
        content=content.SerializeToString(),
        target_seq=target,
        target_sender_user_id=author,
    )


def made(*items: log_pb2.AppendItem) -> list[Item]:
    return items_of(log_pb2.AppendRequest(items=items))


class Outcome(NamedTuple):
    """What became of an item."""

    seq: int
    refusal: int = log_pb2.APPEND_REFUSAL_UNSPECIFIED


class TroubledStore:
    """A store whose appends fail when the test says so; all else is the real one's."""

    def __init__(self, store: LogStore) -> None:
        self._store = store
        self.shards = store.shards
        self.before_append: Callable[[Sequence[LogBatch]], None] = lambda _: None
        """Called with what is to be written. Raises what is to go wrong."""
        self.after_append: Callable[[Sequence[LogBatch]], None] = lambda _: None
        """As above, when it is written."""
        self.fenced = False
        """No barrier is passed any more."""
        self.gate = asyncio.Event()
        self.gate.set()
        """Appends wait while it is cleared."""
        self.append_begun = asyncio.Event()
        self.append_calls = 0
        self.searches = 0

    async def append(self, batches: Sequence[LogBatch]) -> None:
        self.append_calls += 1
        self.append_begun.set()
        await self.gate.wait()
        self.before_append(batches)
        await self._store.append(batches)
        self.after_append(batches)

    async def barrier(self) -> None:
        if self.fenced:
            raise Fenced
        await self._store.barrier()

    async def recover(self, log: LogKey, remembered: int) -> Recovered:
        return await self._store.recover(log, remembered)

    async def find_sent(self, log: LogKey, sends: Collection[SendId], first: Seq, last: Seq) -> list[Sent]:
        self.searches += 1
        return await self._store.find_sent(log, sends, first, last)

    async def entries(self, log: LogKey, seqs: Sequence[Seq]) -> list[Entry | None]:
        return await self._store.entries(log, seqs)

    async def mention_counts(self, queries: Sequence[MentionQuery]) -> list[int]:
        return await self._store.mention_counts(queries)

    async def read(
        self, log: LogKey, first: Seq, last: Seq, *, limit: int, max_bytes: int, backward: bool = False
    ) -> list[Shown]:
        return await self._store.read(log, first, last, limit=limit, max_bytes=max_bytes, backward=backward)

    async def heads(self, logs: Sequence[LogKey], *, with_last_message: bool) -> list[Head]:
        return await self._store.heads(logs, with_last_message=with_last_message)

    async def counts(self, positions: Sequence[LogPosition]) -> list[int]:
        return await self._store.counts(positions)

    async def changes(self, shard: int, after: str, limit: int) -> Changes:
        return await self._store.changes(shard, after, limit)


def full_disk(_: Sequence[LogBatch]) -> None:
    raise StoreUnavailable(writing=True)


def seq_taken_of(log: LogKey) -> Callable[[Sequence[LogBatch]], None]:
    """As if memory were wrong about one log."""

    def check(batches: Sequence[LogBatch]) -> None:
        for batch in batches:
            if batch.log == log:
                raise SeqTaken(log, batch.rows[0].seq)

    return check


class RememberingBus:
    """A bus of one process that remembers what was published."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        self.published.append((subject, payload))

    async def subscribe(self, subject: str, handler: Callable[[bytes], None]) -> Subscription:
        raise NotImplementedError

    async def flush(self) -> None:
        return

    def on_disturbance(self, handler: Callable[[], None]) -> None:
        raise NotImplementedError

    def doorbells(self, log: LogKey = LOG) -> list[signal_pb2.Doorbell]:
        subject = log_subject(log.log_id)
        return [
            signal_pb2.LogSignal.FromString(payload).doorbell for name, payload in self.published if name == subject
        ]


def slice_of(doorbell: signal_pb2.Doorbell) -> session_pb2.Slice:
    """The one slice of the frame in a doorbell."""
    (piece,) = session_pb2.ServerFrame.FromString(doorbell.frame).slices
    return piece


class Owner:
    """What a message_store process is made of."""

    def __init__(
        self, store: LogStore, memory_bytes: int = 1 << 30, remembered_events: int = REMEMBERED_EVENTS
    ) -> None:
        self.registry = CollectorRegistry()
        self.store = TroubledStore(store)
        self.bus = RememberingBus()
        self.states = LogStates(self.store, memory_bytes, remembered_events)
        self.publisher = Publisher(self.bus, "incarnation", store.shards)
        self.now_ms = NOW
        self.committer = Committer(
            self.store, self.states, self.publisher, AppendMetrics(self.registry), lambda: self.now_ms
        )
        self.reader = LogReader(self.store, self.states)

    async def append(self, *items: log_pb2.AppendItem) -> list[Outcome]:
        asked = made(*items)
        await self.committer.append(asked)
        return [Outcome(item.seq, item.refusal) for item in asked]

    def appending(self, *items: log_pb2.AppendItem) -> asyncio.Task[list[Outcome]]:
        return asyncio.create_task(self.append(*items))

    @asynccontextmanager
    async def flush_held(self, *items: log_pb2.AppendItem) -> AsyncIterator[asyncio.Task[list[Outcome]]]:
        """Append items, and hold their flush at the store while the body runs."""
        self.store.gate.clear()
        self.store.append_begun.clear()
        appending = self.appending(*items)
        await self.store.append_begun.wait()
        yield appending
        self.store.gate.set()

    async def events(self, log: LogKey = LOG) -> list[event_pb2.Event]:
        """The whole log, oldest first."""
        events: list[event_pb2.Event] = []
        while True:
            page = await self.reader.read(
                log, Seq(len(events) + 1), Seq(1 << 50), limit=1_000, backward=False, messages_only=False
            )
            events += map(event_pb2.Event.FromString, page.events)
            if page.to_seq >= page.head_seq:
                return events

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def owner_of(
    path: Path, *, memory_bytes: int = 1 << 30, remembered_events: int = REMEMBERED_EVENTS
) -> AsyncIterator[Owner]:
    """Own the logs in a directory for as long as the body runs."""
    async with sqlite_log_store(path / "logs.sqlite") as store:
        owner = Owner(store, memory_bytes, remembered_events)
        async with running(owner.committer.run()):
            yield owner


@asynccontextmanager
async def owner_of_the_same_store(first: Owner) -> AsyncIterator[Owner]:
    """A second owner, which no lock keeps out: each is wrong about what the other wrote."""
    second = Owner(first.store)
    async with running(second.committer.run()):
        yield second
