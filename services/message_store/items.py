"""An event on its way into a log."""

import hashlib
from collections.abc import Iterable, Sequence

from google.protobuf.message import DecodeError
from tertulia import states
from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Kind, LogKey, Millis, SendId, Sent, Seq
from libs.log_store.amendments import Target, may_mention
from libs.rpc.errors import FieldsInvalid, FieldViolation

LOG_ID_BYTES = 16
MAX_EVENT_BYTES = 256 * 1024
"""Of `content`. What clients may send is far less: see Message in the public API."""

_DIGEST_BYTES = 16
_KINDS = {
    log_pb2.EVENT_KIND_MESSAGE: Kind.MESSAGE,
    log_pb2.EVENT_KIND_CONTROL: Kind.CONTROL,
    log_pb2.EVENT_KIND_EDIT: Kind.EDIT,
    log_pb2.EVENT_KIND_DELETION: Kind.DELETION,
    log_pb2.EVENT_KIND_REACTION: Kind.REACTION,
}
_CONTENT = {
    Kind.MESSAGE: "message",
    Kind.EDIT: "message_edited",
    Kind.DELETION: "message_deleted",
    Kind.REACTION: "reaction_changed",
}
"""What an item with a target holds."""
_ABOUT_MESSAGES = frozenset({log_pb2.EVENT_KIND_EDIT, log_pb2.EVENT_KIND_DELETION, log_pb2.EVENT_KIND_REACTION})
_NO_EVENT = FieldViolation("content", "must be an encoded Event")

Refusal = log_pb2.AppendRefusal


class Item:
    """What is to be appended, what was found about it in the store, and in the end what became of it."""

    __slots__ = (
        "after_seq",
        "content",
        "digest",
        "earlier",
        "earlier_try_only",
        "held",
        "kind",
        "log",
        "policy_version",
        "refusal",
        "repeated",
        "rests_on_seq",
        "retry_after_ms",
        "search_ended",
        "searched_to",
        "send",
        "seq",
        "slow_mode_ms",
        "target_missing",
        "target_sender_user_id",
        "target_seq",
        "time_ms",
    )

    def __init__(self, item: log_pb2.AppendItem, log: LogKey) -> None:
        self.log = log
        self.kind = _KINDS[item.kind]
        self.send = SendId(item.sender_user_id, item.client_id)
        self.after_seq = Seq(item.after_seq) if item.HasField("after_seq") else None
        self.policy_version = item.policy_version
        self.target_seq = Seq(item.target_seq)
        self.target_sender_user_id = (
            item.target_sender_user_id if self.target_seq and item.HasField("target_sender_user_id") else None
        )
        self.slow_mode_ms = item.slow_mode_ms
        self.earlier_try_only = item.earlier_try_only
        self.content = item.content
        self.digest = _digest(log, self.kind, self.target_seq, self.content)

        # what LookBack found
        self.earlier: Sent | None = None
        """The event that took this client id, if it is older than what the sequencer remembers."""
        self.searched_to = Seq(0)
        """No event after `after_seq` up to here took it."""
        self.search_ended = False
        """The search found it, or came to its limit."""
        self.target_missing = False
        """`target_seq` names no message."""
        self.held: Sequence[Target | None] = ()
        """What is to stay in memory as long as this: see Targets."""

        # what became of it
        self.seq = Seq(0)
        self.time_ms = Millis(0)
        self.repeated = False
        """It has the seq of an earlier try."""
        self.rests_on_seq = Seq(0)
        """The outcome is sure when the log is durable up to here; of refusals, when all is."""
        self.refusal: Refusal.ValueType = log_pb2.APPEND_REFUSAL_UNSPECIFIED
        self.retry_after_ms = 0

    def refuse(self, refusal: Refusal.ValueType, searched_to: Seq | None = None) -> None:
        self.refusal = refusal
        self.seq = searched_to or Seq(0)

    def accept(self, seq: Seq, time_ms: Millis, *, repeated: bool) -> None:
        self.seq = self.rests_on_seq = seq
        self.time_ms = time_ms
        self.repeated = repeated


def items_of(request: log_pb2.AppendRequest) -> list[Item]:
    """The items of a request.

    Raises:
        FieldsInvalid: one of them is malformed.
    """
    items = []
    for index, item in enumerate(request.items):
        log = key_of(item.log, f"items[{index}].log")
        if problem := _problem(item):
            raise FieldsInvalid([FieldViolation(f"items[{index}].{problem.field}", problem.description)])
        items.append(Item(item, log))
    return items


def key_of(log: log_pb2.LogKey, field: str) -> LogKey:
    """The key of a log.

    Raises:
        FieldsInvalid: it is malformed; `field` says where.
    """
    key = LogKey(log.application_id, log.log_id)
    if not key.application_id:
        raise FieldsInvalid([FieldViolation(f"{field}.application_id", "must not be empty")])
    if len(key.log_id) != LOG_ID_BYTES:
        raise FieldsInvalid([FieldViolation(f"{field}.log_id", f"must be {LOG_ID_BYTES} bytes")])
    return key


def keys_of(logs: Iterable[log_pb2.LogKey], field: str) -> list[LogKey]:
    """As `key_of`, for many."""
    return [key_of(log, f"{field}[{index}]") for index, log in enumerate(logs)]


def _problem(item: log_pb2.AppendItem) -> FieldViolation | None:
    if item.kind not in _KINDS:
        return FieldViolation("kind", "must be one of the kinds")
    if not item.client_id:
        return FieldViolation("client_id", "must not be empty")
    if len(item.content) > MAX_EVENT_BYTES:
        return FieldViolation("content", f"must be at most {MAX_EVENT_BYTES} bytes")
    if item.after_seq < 0 or item.target_seq < 0 or item.policy_version < 0:
        return FieldViolation("after_seq, target_seq, policy_version", "must not be negative")
    if item.slow_mode_ms < 0:
        return FieldViolation("slow_mode_ms", "must not be negative")
    if item.target_seq or item.kind in _ABOUT_MESSAGES:
        return _target_problem(item)
    if may_mention(item.content) and _event(item) is None:
        return _NO_EVENT
    return None


def _target_problem(item: log_pb2.AppendItem) -> FieldViolation | None:
    kind = _CONTENT.get(_KINDS[item.kind])
    if kind is None or not item.target_seq:
        return FieldViolation("target_seq", "must be 0 for control events, and name a message for what is about one")
    event = _event(item)
    if event is None:
        return _NO_EVENT
    if event.WhichOneof("content") != kind or item.target_seq not in states.targets(event):
        return FieldViolation("content", f"must hold a {kind} that is about target_seq")
    return None


def _event(item: log_pb2.AppendItem) -> event_pb2.Event | None:
    try:
        return event_pb2.Event.FromString(item.content)
    except DecodeError:
        return None


def _digest(log: LogKey, kind: Kind, target_seq: Seq, content: bytes) -> bytes:
    """Tells bodies apart. Keyed with the random log id, so that equal texts in two logs do not show as equal."""
    digest = hashlib.blake2b(b"%d %d " % (kind, target_seq), digest_size=_DIGEST_BYTES, key=log.log_id)
    digest.update(content)
    return digest.digest()
