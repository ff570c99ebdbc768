"""The live end of one log on this gateway: contiguous for every session that reads it."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from tertulia.chat.v1 import event_pb2

from services.gateway.log_client import LogName
from services.gateway.segments import Segment, policy_version_of
from services.gateway.stats import Stats

MAX_HELD = 64  # doorbells kept while what precedes them is fetched; more are forgotten and fetched, too
MAX_HELD_BYTES = 1024 * 1024  # of these doorbells; a single one may have 0.9 MB
MAX_TAIL_BYTES = 256 * 1024  # segments kept for sessions about to attach; beyond it they read once more

Push = Callable[[bytes], bool]
"""Queues bytes for a session. True: its queue is over its limit."""


class Reader(Protocol):
    """One session's reading of a log; sessions have `readers.LogReader`."""

    position: int
    """Everything up to this seq is in the session's queue. Kept by the feed only while the reader is not attached."""
    closed: bool
    """The session or the membership has ended."""

    @property
    def policy_version(self) -> int:
        """The newest version of the channel's policy under which the user is known to be a member."""

    def take(self, segment: Segment) -> None:
        """Queue a segment that was kept, and look into its last event if that is one to look into."""

    def notice(self, frame: bytes, except_user_id: str) -> bool:
        """Queue something that is not kept, unless it is for everybody but this one. True: the queue is over its limit."""

    def control(self, event: event_pb2.Event) -> None:
        """An event to look into was queued. The reader detaches itself if the event ends its membership."""

    def overflowed(self) -> None:
        """The session's queue is over its limit: detach from all feeds and catch up from the logs."""

    def left_behind(self) -> None:
        """The feed has jumped ahead and has detached the reader, which is to catch up from the log."""


class Feed:
    """Passes on what owners ring, in order and without a gap; what was not heard is fetched by way of `fill`.

    `cursor` is the highest seq that every attached reader has been given. Until `start` there is none, and doorbells are
    held. Nothing here waits: `fill(feed)` is called when `cursor` is below `head`, and is to read the log and `apply` it.
    """

    __slots__ = ("_deletion_seq", "_fill", "_held", "_held_bytes", "_readers", "_recorders", "_stats", "_tail", "_tail_bytes", "cursor",
                 "head", "holders", "log", "policy_version", "started")  # fmt: skip

    def __init__(self, log: LogName, fill: Callable[["Feed"], None], stats: Stats) -> None:
        self.log = log
        self.cursor = -1
        self.head = -1
        self.policy_version = 0
        """The newest version of the channel's policy up to `cursor`."""
        self.started = False
        self.holders = 0
        """How many sessions keep this feed. Kept by the hub."""
        self._deletion_seq = 0
        """Of the newest deletion that was heard of."""
        self._fill = fill
        self._stats = stats
        self._readers: dict[Reader, Push] = {}
        self._held: dict[int, Segment] = {}
        self._held_bytes = 0
        self._tail: deque[Segment] = deque()
        self._tail_bytes = 0
        self._recorders = 0

    def start(self, head_seq: int, policy_version: int) -> None:
        """Begin at the log's head, read after the subscription was in force."""
        self.started = True
        self.cursor = head_seq
        self.head = max(self.head, head_seq)
        self.policy_version = policy_version
        self._pass_on_held()
        self._fill_if_behind()

    def ring(self, segment: Segment) -> None:
        """A doorbell was heard: late, early, twice, or just in time."""
        if segment.control is not None and segment.control.HasField("message_deleted"):
            self._forget_bytes()
            self._deletion_seq = max(self._deletion_seq, segment.to_seq)
        if segment.to_seq <= self.cursor:
            return
        if segment.to_seq < self._deletion_seq:  # it may hold what was deleted: what is there now is in the log
            self._fill_if_behind()
            return
        if segment.to_seq >= self.head:
            self.head = segment.to_seq
            if self.started and segment.from_seq <= self.cursor + 1:
                self._forget_held()  # nothing of it is above
                self._pass_on(segment)
                return
        self._hold(segment)
        if self.started and self._pass_on_held() < segment.from_seq - 1:
            self._fill_if_behind()

    def apply(self, segments: list[Segment]) -> None:
        """What `fill` has read."""
        for segment in segments:
            if segment.from_seq <= self.cursor + 1 and segment.to_seq > self.cursor:
                self._pass_on(segment)
        self._pass_on_held()

    def expect(self, head_seq: int) -> None:
        """The log's head is known to be at least this; doorbells of it may be on their way."""
        if head_seq > self.head:
            self.head = head_seq

    def check(self, head_seq: int) -> None:
        """The log's head is known to be at least this, and doorbells of it would have been heard."""
        self.expect(head_seq)
        self._fill_if_behind()

    def behind(self) -> int:
        """How many events are known of that were not passed on."""
        return self.head - self.cursor

    def jump(self, head_seq: int, policy_version: int) -> None:
        """Go on from the head; every reader catches up by itself."""
        readers = list(self._readers)
        self._readers.clear()
        for reader in readers:
            reader.position = max(reader.position, self.cursor)
        self._forget_tail()
        self.cursor = head_seq
        self.head = max(self.head, head_seq)
        self.policy_version = max(self.policy_version, policy_version)
        self._pass_on_held()
        for reader in readers:
            reader.left_behind()

    def notice(self, frame: bytes, except_user_id: str) -> None:
        """Pass on something that is not kept."""
        full = [reader for reader in self._readers if reader.notice(frame, except_user_id)]
        for reader in full:
            reader.overflowed()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep what is passed on while the body runs, for a reader that wants to `attach` but is a little behind."""
        self._recorders += 1
        try:
            yield
        finally:
            self._recorders -= 1
            if not self._recorders:
                self._forget_tail()

    def attach(self, reader: Reader, push: Push) -> bool:
        """Give `reader` everything from now on, if it lacks nothing before and knows the newest policy.

        What it lacks is taken from what was recorded. False: it is not attached; it has to read the log from its position
        on, or, when it is at the cursor, to ask anew whether its user is a member.
        """
        if not self.started:
            return False
        if reader.position < self.cursor:
            if not self._tail or self._tail[0].from_seq > reader.position + 1 or self.behind():
                return False
            for segment in self._tail:
                if segment.to_seq > reader.position:
                    reader.take(segment)
                    if reader.closed:
                        return False
        if reader.policy_version < self.policy_version:
            return False
        self._readers[reader] = push
        return True

    def has(self, reader: Reader) -> bool:
        """It is attached."""
        return reader in self._readers

    def detach(self, reader: Reader) -> None:
        """Give it nothing more; its position is then where it ended. Harmless if it is not attached."""
        if self._readers.pop(reader, None) is not None and self.cursor > reader.position:
            reader.position = self.cursor

    def _pass_on(self, segment: Segment) -> None:
        self._stats.deliveries += (segment.to_seq - self.cursor) * len(self._readers)
        self.cursor = segment.to_seq
        if self.cursor > self.head:
            self.head = self.cursor
        if self._recorders:
            self._record(segment)
        frame = segment.frame
        full = [reader for reader, push in self._readers.items() if push(frame)]
        if segment.control is not None:
            self._look_into(segment.control)
        for reader in full:
            reader.overflowed()

    def _look_into(self, event: event_pb2.Event) -> None:
        if event.HasField("message_deleted"):
            self._forget_bytes()
            return
        self.policy_version = max(self.policy_version, policy_version_of(event))
        for reader in list(self._readers):
            reader.control(event)

    def _hold(self, segment: Segment) -> None:
        if len(self._held) >= MAX_HELD or self._held_bytes + len(segment.frame) > MAX_HELD_BYTES:
            self._forget_held()
        if segment.from_seq not in self._held:
            self._held[segment.from_seq] = segment
            self._held_bytes += len(segment.frame)

    def _pass_on_held(self) -> int:
        """Pass on what is held if it reaches the head. Returns how far it reaches without a gap.

        Where more is known than was heard, a deletion may be what was not heard: its target's text, late on the bus, would be
        shown to who came after it (I6).
        """
        reached = self.cursor
        following: list[Segment] = []
        for from_seq in sorted(self._held):
            if from_seq > reached + 1:
                break
            following.append(self._held[from_seq])
            reached = max(reached, following[-1].to_seq)
        if reached >= self.head:
            self._forget_held()
            for segment in following:
                if segment.to_seq > self.cursor:
                    self._pass_on(segment)
        return reached

    def _fill_if_behind(self) -> None:
        if self.started and self.cursor < self.head:
            self._fill(self)

    def _record(self, segment: Segment) -> None:
        self._tail.append(segment)
        self._tail_bytes += len(segment.frame)
        if self._tail_bytes > MAX_TAIL_BYTES:
            self._forget_tail()

    def _forget_bytes(self) -> None:
        """A message was deleted: whoever comes later reads the log, which has its text no more (I6)."""
        self._forget_tail()
        self._forget_held()

    def _forget_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0

    def _forget_tail(self) -> None:
        self._tail.clear()
        self._tail_bytes = 0
