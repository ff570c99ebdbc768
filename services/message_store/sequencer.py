"""Gives out the seqs of a log: what the owner remembers of it, and the decision about each item."""

from collections.abc import Sequence
from itertools import islice

from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Entry, Kind, LogBatch, LogKey, Millis, Recovered, Row, SendId, Sent, Seq
from libs.log_store.amendments import Amending, Target, may_mention
from libs.log_store.bodies import blanked, head_after
from services.message_store import rules
from services.message_store.items import Item, Refusal
from services.message_store.last_spoke import LastSpoke
from services.message_store.targets import Targets

REMEMBERED_EVENTS = 1_000
"""How many of a log's newest events are always remembered: the window of retries that do not say `after_seq`, and all that
slow mode knows after a restart."""

_BYTES_PER_EVENT = 400  # of a remembered event, measured: two short strings, two tuples, three integers, a digest
_BYTES_PER_LOG = 1_000  # of the rest: 600 measured, and its places in LogStates

_Remembered = tuple[Seq, Millis, Kind, Seq, bytes]
"""Seq, time, kind, target_seq and digest of an event. There are millions: a Sent takes 100 bytes more."""


class LogState:
    """One log in memory. `take` numbers items at once; `head` follows when they are durable.

    When it is not sure that they became durable the state is wrong and must be thrown away: see `discarded`.
    """

    __slots__ = (
        "__weakref__",
        "_amending",
        "_blanked",
        "_last_spoke",
        "_message_count",
        "_policy_version",
        "_remembered_events",
        "_remembered_from",
        "_sent",
        "_seq",
        "discarded",
        "head",
        "log",
        "pending",
        "targets",
    )

    def __init__(self, log: LogKey, recovered: Recovered, remembered_events: int = REMEMBERED_EVENTS) -> None:
        self.log = log
        self.head = recovered.head
        """The durable head: all that may be told to anybody."""
        self.pending: list[Row] = []
        """Rows that were numbered and are not known to be durable."""
        self.targets = Targets()
        """With what the pending rows made of them."""
        self.discarded = False
        """True: it does not follow the log any more and decides nothing."""
        self._amending: Amending | None = None
        """What the pending rows change beside themselves."""
        self._seq = recovered.head.seq
        self._message_count = recovered.head.message_count
        self._policy_version = recovered.head.policy_version
        self._remembered_events = remembered_events
        self._remembered_from = Seq(self._seq - len(recovered.sent) + 1)
        self._sent = {SendId(sent.sender_user_id, sent.client_id): _remembered(sent) for sent in recovered.sent}
        self._blanked: set[Seq] = set()
        """What was deleted since: its digests count no more, as they are gone from the store."""
        self._last_spoke: LastSpoke | None = None
        """None: nobody was in slow mode yet."""

    @property
    def remembered_from(self) -> Seq:
        """The oldest event that is remembered; all newer ones are, too."""
        return self._remembered_from

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        remembered = _BYTES_PER_EVENT * len(self._sent) + self.targets.size_bytes
        if self._last_spoke is not None:
            remembered += self._last_spoke.size_bytes
        return _BYTES_PER_LOG + remembered + len(self.head.last_message)

    def can_judge(self, item: Item) -> bool:
        """Whether all that `take` needs to know is remembered here or was looked up, and stays as long as the item does. False:
        look back (again)."""
        if self.discarded:
            return False
        if item.refusal:
            return True
        if item.target_seq and not self.knows_target(item):
            return False
        return self.remembers_since(item)

    def remembers_since(self, item: Item) -> bool:
        """Whether an earlier try of an item would be remembered here, or was searched for as far as it may be."""
        if item.after_seq is None or item.search_ended:
            return True
        return max(item.after_seq, item.searched_to) + 1 >= self._remembered_from or item.send in self._sent

    def knows_target(self, item: Item) -> bool:
        """Whether the target of an item is in memory, and stays, or will be found among the pending rows, or is none."""
        if item.target_missing or item.target_seq > self.head.seq:
            return True
        target = self.targets.get(item.target_seq)
        if target is None:
            return False
        parent = self.targets.get(target.reply_to_seq)
        item.held = (target, parent)
        return parent is not None or not target.reply_to_seq or item.kind is not Kind.DELETION

    def take(self, item: Item, now_ms: Millis) -> None:
        """Number an item, recognise it as a repetition, or refuse it. It must be one that `can_judge`."""
        if item.refusal:
            return
        earlier = self._sent.get(item.send)
        if earlier is None and item.earlier is not None:
            earlier = _remembered(item.earlier)
        if earlier is not None:
            self._take_again(item, earlier)
            return
        if item.search_ended:
            item.refuse(log_pb2.APPEND_REFUSAL_DEDUP_SCAN_LIMIT, item.searched_to)
            return
        if refusal := self._refusal(item):
            item.refuse(refusal)
            return
        if item.target_seq:
            self._take_with_target(item, now_ms)
        elif not item.slow_mode_ms or not self._is_too_soon(item, now_ms):
            self._append(item, now_ms, None)

    def _take_again(self, item: Item, earlier: _Remembered) -> None:
        """Answer an item whose client id is taken. Of what was deleted only its kind and target are left to tell it by: who
        deletes a message under the id of another that is gone must not hear that it was done."""
        seq, time_ms, kind, target_seq, digest = earlier
        if digest == item.digest:
            item.accept(seq, time_ms, repeated=True)
        elif (not digest or seq in self._blanked) and (kind, target_seq) == (item.kind, item.target_seq):
            item.accept(seq, time_ms, repeated=True)
            item.rests_on_seq = self._seq  # perhaps it is deleted only when all is durable
        else:
            item.refuse(log_pb2.APPEND_REFUSAL_CLIENT_ID_REUSED)

    def _refusal(self, item: Item) -> Refusal.ValueType:
        if item.after_seq is not None and item.after_seq > self._seq:
            return log_pb2.APPEND_REFUSAL_AFTER_SEQ_ABOVE_HEAD
        if item.policy_version < self._policy_version:
            return log_pb2.APPEND_REFUSAL_POLICY_STALE
        if item.earlier_try_only:
            return log_pb2.APPEND_REFUSAL_NO_EARLIER_TRY
        return log_pb2.APPEND_REFUSAL_UNSPECIFIED

    def _take_with_target(self, item: Item, now_ms: Millis) -> None:
        target = self._target(item.target_seq)
        if target is None:
            item.refuse(log_pb2.APPEND_REFUSAL_TARGET_MISSING)
            return
        content = event_pb2.Event.FromString(item.content)
        if refusal := rules.refusal(item, content, target):
            item.refuse(refusal)
        elif unchanged := rules.unchanged_since(item, content, target):
            item.accept(*unchanged, repeated=True)
        elif not item.slow_mode_ms or not self._is_too_soon(item, now_ms):
            self._append(item, now_ms, target)

    def _target(self, seq: Seq) -> Target | None:
        if seq <= self.head.seq:
            return self.targets.get(seq)
        if seq > self._seq:
            return None
        known = self.targets.get(seq)
        row = self.pending[seq - self.head.seq - 1]
        if known is None and row.kind is Kind.MESSAGE:
            known = Target(Entry(row, Seq(0), b""))
            self.targets.use(known)
        return known

    def _is_too_soon(self, item: Item, now_ms: Millis) -> bool:
        """Whether slow mode refuses a message. Who spoke when is kept from the first question on: most logs are never asked."""
        if self._last_spoke is None:
            self._last_spoke = LastSpoke()
            for (sender_user_id, _), (_, time_ms, kind, *_) in self._sent.items():
                if kind is Kind.MESSAGE:
                    self._last_spoke.note(sender_user_id, time_ms)
        item.retry_after_ms = self._last_spoke.wait_ms(item.send.sender_user_id, item.slow_mode_ms, now_ms)
        if not item.retry_after_ms:
            return False
        item.refuse(log_pb2.APPEND_REFUSAL_SLOW_MODE)
        return True

    def _append(self, item: Item, now_ms: Millis, target: Target | None) -> None:
        seq = self._seq = Seq(self._seq + 1)
        if item.kind is Kind.MESSAGE:
            self._message_count += 1
            if self._last_spoke is not None:
                self._last_spoke.note(item.send.sender_user_id, now_ms)
        if item.kind is Kind.CONTROL:
            self._policy_version = item.policy_version
        # an Event's fields may come in any order and in pieces: the content, encoded by others, is its first piece
        rest = event_pb2.Event(
            seq=seq,
            time_ms=now_ms,
            message_count=self._message_count,
            sender_user_id=item.send.sender_user_id,
            client_id=item.send.client_id,
        ).SerializeToString()
        if target is None:
            event = item.content + rest
            if item.kind is Kind.MESSAGE and may_mention(item.content):
                self._amend(event, {})
        else:
            event = rules.completed(event_pb2.Event.FromString(item.content), target).SerializeToString() + rest
            self._amend(event, {target.seq: target})
            if item.kind is Kind.DELETION:
                self._blanked.update((target.seq, *map(Seq, target.state.edit_seqs)))
        self.pending.append(
            Row(
                seq,
                item.kind,
                now_ms,
                self._message_count,
                self._policy_version,
                item.send.sender_user_id,
                item.send.client_id,
                item.digest,
                event,
                item.target_seq,
            )
        )
        self._sent[item.send] = (seq, now_ms, item.kind, item.target_seq, item.digest)
        item.accept(seq, now_ms, repeated=False)

    def _amend(self, event: bytes, targets: dict[Seq, Target]) -> None:
        for target in list(targets.values()):
            parent = self.targets.get(target.reply_to_seq)
            if parent is not None:
                targets[parent.seq] = parent
        if self._amending is None:
            self._amending = Amending()
        self._amending.add(event_pb2.Event.FromString(event), targets)
        for target in targets.values():
            self.targets.use(target)

    def batch(self) -> LogBatch:
        """The pending rows and what they change."""
        if self._amending is None:
            return LogBatch(self.log, self.pending)
        return LogBatch(self.log, self.pending, self._amending.amendments())

    def settle(self) -> Sequence[Row]:
        """The pending rows are durable: they count from now on. Returns them, without what was deleted in the same flush."""
        _, rows, amendments = self.batch()
        self.pending = []
        if rows:
            self.head = head_after(self.head, rows, amendments)
            rows = blanked(rows, amendments.redactions)
        self._amending = None
        self.targets.settle()
        if len(self._sent) > 2 * self._remembered_events:  # half of them at a time costs less than one for one
            forgotten = len(self._sent) - self._remembered_events
            self._sent = dict(islice(self._sent.items(), forgotten, None))
            self._remembered_from = Seq(self._remembered_from + forgotten)
        if self._blanked:
            self._blanked = {seq for seq in self._blanked if seq >= self._remembered_from}
        return rows


def _remembered(sent: Sent) -> _Remembered:
    return sent.seq, sent.time_ms, sent.kind, sent.target_seq, sent.digest
