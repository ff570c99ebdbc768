"""Keeps the feeds of all logs that sessions here read: subscribed, filled, and checked against the heads."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

import structlog
from google.protobuf.message import DecodeError
from tertulia_internal.bus.v1 import signal_pb2

from libs.bus import Bus, Subscription
from libs.bus.port import BusUnavailable
from libs.bus.subjects import HEADS, log_subject
from libs.log_store import SHARDS, shard_of
from libs.rpc.errors import TertuliaError
from libs.rpc.status import unavailable
from services.gateway.feed import Feed
from services.gateway.log_client import HEADS_AT_ONCE, LogClient, LogName
from services.gateway.one_in_flight import OneInFlight
from services.gateway.segments import segment_of_doorbell
from services.gateway.stats import Stats

log = structlog.get_logger()

DOORBELL_GRACE_SECONDS = 0.1  # how much later than a digest of its head a doorbell may be handled without a fetch
_RETRY_SECONDS = 0.25
_SWEEP_SECONDS = 1.0  # feeds that nobody reads are kept for so long at least: people reconnect
_CONCURRENT_FILLS = 16
_STARTED_AT_ONCE = 1_000


class Hub:
    """Feeds by log id, counted by reference."""

    def __init__(self, bus: Bus, logs: LogClient, max_delta_events: int, stats: Stats) -> None:
        self._bus = bus
        self._logs = logs
        self._max_fill = max_delta_events
        self._stats = stats
        self._feeds: dict[bytes, Feed] = {}
        self._subscriptions: dict[Feed, Subscription] = {}
        self._starting: dict[Feed, asyncio.Future[None]] = {}
        self._idle: set[Feed] = set()
        self._filling: set[Feed] = set()
        self._fills = asyncio.Semaphore(_CONCURRENT_FILLS)
        self._owners: dict[int, str] = {}
        """Who spoke last of each shard as its own."""
        self._starter = OneInFlight(self._start_some, batch=_STARTED_AT_ONCE, waiting=0)
        self._checker = OneInFlight(self._check_some, batch=HEADS_AT_ONCE, waiting=0)
        self._tasks: asyncio.TaskGroup | None = None
        bus.on_disturbance(self._check_all)

    def acquire(self, name: LogName) -> Feed:
        """The feed of a log, for one more session. Give it back with `release`; it may not be `started` yet."""
        feed = self._feeds.get(name.log_id)
        if feed is None:
            feed = self._feeds[name.log_id] = Feed(name, self._fill, self._stats)
            self._stats.feeds = len(self._feeds)
            self._starting[feed] = asyncio.get_running_loop().create_future()
            self._starter.add_all([feed])
        feed.holders += 1
        self._idle.discard(feed)
        return feed

    def release(self, feed: Feed) -> None:
        feed.holders -= 1
        if not feed.holders and self._feeds.get(feed.log.log_id) is feed:
            self._idle.add(feed)

    async def started(self, feeds: Iterable[Feed]) -> None:
        """Wait until the feeds have begun.

        Raises:
            TertuliaError: message_store or the bus does not answer.
        """
        for feed in feeds:
            if not feed.started:
                future = self._starting.get(feed)
                if future is None:
                    raise unavailable("the log")
                await asyncio.shield(future)

    def expect(self, feed: Feed, head_seq: int) -> None:
        """Somebody was told of this head: nothing older is passed on from the bus without all that lies between (I6), and if that
        does not come soon, it is fetched."""
        if head_seq > feed.cursor:
            feed.expect(head_seq)
            asyncio.get_running_loop().call_later(DOORBELL_GRACE_SECONDS, feed.check, head_seq)

    def policy_version(self, log_id: bytes) -> int:
        """The newest policy version heard of a log; 0: nothing is heard here."""
        feed = self._feeds.get(log_id)
        return feed.policy_version if feed else 0

    async def run(self) -> None:
        """Work, for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._starter.run())
            self._tasks.create_task(self._checker.run())
            self._tasks.create_task(self._sweep_for_ever())
            await self._listen_to_heads()

    async def _listen_to_heads(self) -> None:
        while True:
            try:
                await self._bus.subscribe(HEADS, self._on_digest)
            except BusUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    async def _start_some(self, feeds: list[Feed]) -> None:
        error: TertuliaError | None = None
        try:
            for feed in feeds:
                subject = log_subject(feed.log.log_id)
                self._subscriptions[feed] = await self._bus.subscribe(subject, self._on_signal(feed))
            await self._bus.flush()
            heads = await self._logs.heads([feed.log for feed in feeds])
        except BusUnavailable:
            error = unavailable("the bus")
        except TertuliaError as refusal:
            error = refusal
        if error is not None:
            for feed in feeds:
                await self._drop(feed)
                self._settle(feed, error)
            return
        for feed, head in zip(feeds, heads, strict=True):
            feed.start(head.seq, head.policy_version)
            self._settle(feed, None)

    def _settle(self, feed: Feed, error: TertuliaError | None) -> None:
        future = self._starting.pop(feed)
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # retrieved: those who wait have their own copy, and there may be none left

    def _on_signal(self, feed: Feed) -> Callable[[bytes], None]:
        def on_signal(payload: bytes) -> None:
            try:
                signal = signal_pb2.LogSignal.FromString(payload)
                if signal.HasField("doorbell"):
                    feed.ring(segment_of_doorbell(signal.doorbell))
                elif signal.HasField("notice"):
                    feed.notice(signal.notice.frame, signal.notice.except_user_id)
            except (DecodeError, IndexError):
                self._stats.bad_signals += 1

        return on_signal

    def _on_digest(self, payload: bytes) -> None:
        try:
            digest = signal_pb2.HeadsDigest.FromString(payload)
        except DecodeError:
            self._stats.bad_signals += 1
            return
        self._heard_of(digest.incarnation, digest.shards)
        suspects = [
            (feed, head.seq)
            for head in digest.heads
            if (feed := self._feeds.get(head.log_id)) is not None and feed.started and head.seq > feed.cursor
        ]
        if suspects:
            asyncio.get_running_loop().call_later(DOORBELL_GRACE_SECONDS, self._check, suspects)

    def _check(self, suspects: list[tuple[Feed, int]]) -> None:
        for feed, head_seq in suspects:
            feed.check(head_seq)

    def _heard_of(self, incarnation: str, shards: Sequence[int]) -> None:
        """The owner of shards that another process had may follow on one that died between writing and ringing."""
        new = {shard for shard in shards if self._owners.get(shard) != incarnation}
        if new:
            log.info("owner_heard_of", incarnation=incarnation, shards=len(new))
            self._owners.update(dict.fromkeys(new, incarnation))
            self._check_all(new)

    def _check_all(self, shards: Collection[int] = range(SHARDS)) -> None:
        self._checker.add_all(feed for feed in self._feeds.values() if feed.started and shard_of(feed.log) in shards)

    async def _check_some(self, feeds: list[Feed]) -> None:
        try:
            heads = await self._logs.heads([feed.log for feed in feeds])
        except TertuliaError as error:
            log.warning("heads_not_checked", logs=len(feeds), error=str(error))
            await asyncio.sleep(_RETRY_SECONDS)
            self._checker.add_all(feeds)
            return
        for feed, head in zip(feeds, heads, strict=True):
            if head.seq - feed.cursor > self._max_fill:
                self._stats.jumps += 1
                feed.jump(head.seq, head.policy_version)
            else:
                feed.check(head.seq)

    def _fill(self, feed: Feed) -> None:
        if feed in self._filling or self._tasks is None:
            return
        if feed.behind() > self._max_fill:
            self._checker.add_all([feed])
            return
        self._filling.add(feed)
        self._tasks.create_task(self._fill_from_log(feed))

    async def _fill_from_log(self, feed: Feed) -> None:
        try:
            while 0 < feed.behind() <= self._max_fill and self._feeds.get(feed.log.log_id) is feed:
                self._stats.fills += 1
                async with self._fills:
                    try:
                        segments = await self._logs.segments(feed.log, feed.cursor + 1, feed.head)
                    except TertuliaError as error:
                        log.warning("log_not_read", log=feed.log.log_id.hex(), error=str(error))
                        segments = []
                if segments:
                    feed.apply(segments)
                else:
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self._filling.discard(feed)
        if feed.behind() > self._max_fill:
            self._checker.add_all([feed])

    async def _sweep_for_ever(self) -> None:
        while True:
            unused = self._idle.copy()
            await asyncio.sleep(_SWEEP_SECONDS)
            for feed in unused:
                if feed in self._idle and feed.started:
                    await self._drop(feed)

    async def _drop(self, feed: Feed) -> None:
        self._idle.discard(feed)
        if self._feeds.get(feed.log.log_id) is feed:
            del self._feeds[feed.log.log_id]
        self._stats.feeds = len(self._feeds)
        if subscription := self._subscriptions.pop(feed, None):
            await subscription.cancel()
