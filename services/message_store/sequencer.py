"""Gives out the seqs of a log: what the owner remembers of it, and the decision about each item."""

from collections.abc import Sequence
from itertools import islice

from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Head, Kind, LogKey, Millis, Recovered, Row, Seq
from services.message_store.items import Item, Refusal

REMEMBERED_EVENTS = 1_000
"""How many of a log's newest events are always remembered: the window of retries that do not say `after_seq`."""

_BYTES_PER_EVENT = 400  # of a remembered event, measured: two short strings, a tuple, three integers, a digest
_BYTES_PER_LOG = 1_000  # of the rest: 600 measured, and its places in LogStates


class LogState:
    """One log in memory. `take` numbers items at once; `head` follows when they are durable.

    When it is not sure that they became durable the state is wrong and must be thrown away: see `discarded`.
    """

    __slots__ = (
        "__weakref__",
        "_controls",
        "_last_message",
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
    )

    def __init__(self, log: LogKey, recovered: Recovered, remembered_events: int = REMEMBERED_EVENTS) -> None:
        self.log = log
        self.head = recovered.head
        """The durable head: all that may be told to anybody."""
        self.pending: list[Row] = []
        """Rows that were numbered and are not known to be durable."""
        self.discarded = False
        """True: it does not follow the log any more and decides nothing."""
        self._seq = recovered.head.seq
        self._message_count = recovered.head.message_count
        self._policy_version = recovered.head.policy_version
        self._last_message = recovered.head.last_message
        self._remembered_events = remembered_events
        self._remembered_from = Seq(self._seq - len(recovered.sent) + 1)
        self._sent: dict[tuple[str, str], tuple[Seq, Millis, bytes]] = {
            (sent.sender_user_id, sent.client_id): (sent.seq, sent.time_ms, sent.digest) for sent in recovered.sent
        }
        self._controls = {sent.seq for sent in recovered.sent if sent.kind is Kind.CONTROL}

    @property
    def remembered_from(self) -> Seq:
        """The oldest event that is remembered; all newer ones are, too."""
        return self._remembered_from

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return _BYTES_PER_LOG + _BYTES_PER_EVENT * len(self._sent) + len(self._last_message)

    def can_judge(self, item: Item) -> bool:
        """Whether all that `take` needs to know is remembered here or was looked up. False: look back (again)."""
        if self.discarded:
            return False
        if 0 < item.target_seq < self._remembered_from and item.target_is_message is None:
            return False
        if item.after_seq is None or item.search_ended:
            return True
        return max(item.after_seq, item.searched_to) + 1 >= self._remembered_from

    def take(self, item: Item, now_ms: Millis) -> None:
        """Number an item, recognise it as a repetition, or refuse it. It must be one that `can_judge`."""
        sender = (item.sender_user_id, item.client_id)
        earlier = self._sent.get(sender)
        if earlier is None and item.earlier is not None:
            earlier = (item.earlier.seq, item.earlier.time_ms, item.earlier.digest)
        if earlier is not None:
            seq, time_ms, digest = earlier
            if digest == item.digest:
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
        self._append(item, now_ms)
        self._sent[sender] = (item.seq, item.time_ms, item.digest)

    def _refusal(self, item: Item) -> Refusal.ValueType:
        if item.after_seq is not None and item.after_seq > self._seq:
            return log_pb2.APPEND_REFUSAL_AFTER_SEQ_ABOVE_HEAD
        if item.policy_version < self._policy_version:
            return log_pb2.APPEND_REFUSAL_POLICY_STALE
        if item.target_seq and not self._is_message(item):
            return log_pb2.APPEND_REFUSAL_TARGET_MISSING
        return log_pb2.APPEND_REFUSAL_UNSPECIFIED

    def _is_message(self, item: Item) -> bool:
        if item.target_seq < self._remembered_from:
            return bool(item.target_is_message)
        return item.target_seq <= self._seq and item.target_seq not in self._controls

    def _append(self, item: Item, now_ms: Millis) -> None:
        seq = self._seq = Seq(self._seq + 1)
        if item.kind is Kind.MESSAGE:
            self._message_count += 1
        else:
            self._policy_version = item.policy_version
            self._controls.add(seq)
        # an Event's fields may come in any order and in pieces: the content, encoded by others, is its first piece
        rest = event_pb2.Event(
            seq=seq,
            time_ms=now_ms,
            message_count=self._message_count,
            sender_user_id=item.sender_user_id,
            client_id=item.client_id,
        )
        event = item.content + rest.SerializeToString()
        if item.kind is Kind.MESSAGE:
            self._last_message = event
        self.pending.append(
            Row(
                seq,
                item.kind,
                now_ms,
                self._message_count,
                self._policy_version,
                item.sender_user_id,
                item.client_id,
                item.digest,
                event,
            )
        )
        item.accept(seq, now_ms, repeated=False)

    def settle(self) -> Sequence[Row]:
        """The pending rows are durable: they count from now on. Returns them."""
        rows, self.pending = self.pending, []
        if rows:
            newest = rows[-1]
            self.head = Head(
                newest.seq, newest.message_count, newest.policy_version, newest.time_ms, self._last_message
            )
        if len(self._sent) > 2 * self._remembered_events:  # half of them at a time costs less than one for one
            forgotten = len(self._sent) - self._remembered_events
            self._sent = dict(islice(self._sent.items(), forgotten, None))
            self._remembered_from = Seq(self._remembered_from + forgotten)
            self._controls = {seq for seq in self._controls if seq >= self._remembered_from}
        return rows
