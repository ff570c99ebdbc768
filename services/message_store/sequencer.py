"""Gives out the seqs of a log: what the owner remembers of it, and the decision about each item."""

from collections.abc import Sequence
from itertools import islice

from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Entry, Kind, LogBatch, LogKey, Millis, Recovered, Row, SendId, Seq
from libs.log_store.amendments import Amending, Target, may_mention
from libs.log_store.bodies import blanked, head_after
from services.message_store import rules
from services.message_store.items import Item, Refusal
from services.message_store.targets import Targets

REMEMBERED_EVENTS = 1_000
"""How many of a log's newest events are always remembered: the window of retries that do not say `after_seq`, and of slow
mode."""

_BYTES_PER_EVENT = 400  # of a remembered event, measured: two short strings, a tuple, three integers, a digest
_BYTES_PER_LOG = 1_000  # of the rest: 600 measured, and its places in LogStates


class LogState:
    """One log in memory. `take` numbers items at once; `head` follows when they are durable.

    When it is not sure that they became durable the state is wrong and must be thrown away: see `discarded`.
    """

    __slots__ = (
        "__weakref__",
        "_amending",
        "_message_count",
        "_no_messages",
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
        self._sent: dict[SendId, tuple[Seq, Millis, bytes]] = {
            SendId(sent.sender_user_id, sent.client_id): (sent.seq, sent.time_ms, sent.digest)
            for sent in recovered.sent
        }
        self._no_messages = {sent.seq for sent in recovered.sent if sent.kind is not Kind.MESSAGE}

    @property
    def remembered_from(self) -> Seq:
        """The oldest event that is remembered; all newer ones are, too."""
        return self._remembered_from

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        remembered = _BYTES_PER_EVENT * len(self._sent) + self.targets.size_bytes
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
            earlier = (item.earlier.seq, item.earlier.time_ms, item.earlier.digest)
        if earlier is not None:
            seq, time_ms, digest = earlier
            if digest in {item.digest, b""}:  # of what was deleted, no digest is left
                item.accept(seq, time_ms, repeated=True)
            else:
                item.refuse(log_pb2.APPEND_REFUSAL_CLIENT_ID_REUSED)
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

    def _refusal(self, item: Item) -> Refusal.ValueType:
        if item.after_seq is not None and item.after_seq > self._seq:
            return log_pb2.APPEND_REFUSAL_AFTER_SEQ_ABOVE_HEAD
        if item.policy_version < self._policy_version:
            return log_pb2.APPEND_REFUSAL_POLICY_STALE
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
        """Whether slow mode refuses a message. A clock that was set back holds nobody up."""
        for (sender_user_id, _), (seq, time_ms, _) in reversed(self._sent.items()):
            elapsed_ms = now_ms - time_ms
            if elapsed_ms >= item.slow_mode_ms:
                return False
            if sender_user_id == item.send.sender_user_id and elapsed_ms >= 0 and seq not in self._no_messages:
                item.refuse(log_pb2.APPEND_REFUSAL_SLOW_MODE)
                item.retry_after_ms = item.slow_mode_ms - elapsed_ms
                return True
        return False

    def _append(self, item: Item, now_ms: Millis, target: Target | None) -> None:
        seq = self._seq = Seq(self._seq + 1)
        if item.kind is Kind.MESSAGE:
            self._message_count += 1
        else:
            self._no_messages.add(seq)
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
        self._sent[item.send] = (seq, now_ms, item.digest)
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
            self._no_messages = {seq for seq in self._no_messages if seq >= self._remembered_from}
        return rows
