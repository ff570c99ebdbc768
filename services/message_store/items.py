"""An event on its way into a log."""

import hashlib
from collections.abc import Iterable

from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Kind, LogKey, Millis, Sent, Seq
from libs.rpc.errors import FieldsInvalid, FieldViolation

LOG_ID_BYTES = 16
MAX_EVENT_BYTES = 256 * 1024
"""Of `content`. What clients may send is far less: see Message in the public API."""

_DIGEST_BYTES = 16
_KINDS = {
    log_pb2.EVENT_KIND_MESSAGE: Kind.MESSAGE,
    log_pb2.EVENT_KIND_CONTROL: Kind.CONTROL,
}

Refusal = log_pb2.AppendRefusal


class Item:
    """What is to be appended, what was found about it in the store, and in the end what became of it."""

    __slots__ = (
        "after_seq",
        "client_id",
        "content",
        "digest",
        "earlier",
        "kind",
        "log",
        "policy_version",
        "refusal",
        "repeated",
        "search_ended",
        "searched_to",
        "sender_user_id",
        "seq",
        "target_is_message",
        "target_seq",
        "time_ms",
    )

    def __init__(self, item: log_pb2.AppendItem, log: LogKey) -> None:
        self.log = log
        self.kind = _KINDS[item.kind]
        self.sender_user_id = item.sender_user_id
        self.client_id = item.client_id
        self.after_seq = Seq(item.after_seq) if item.HasField("after_seq") else None
        self.policy_version = item.policy_version
        self.target_seq = Seq(item.target_seq)
        self.content = item.content
        self.digest = _digest(log, self.kind, self.target_seq, self.content)

        # what LookBack found
        self.earlier: Sent | None = None
        """The event that took this client id, if it is older than what the sequencer remembers."""
        self.searched_to = Seq(0)
        """No event after `after_seq` up to here took it."""
        self.search_ended = False
        """The search found it, or came to its limit."""
        self.target_is_message: bool | None = None
        """None: not looked up."""

        # what became of it
        self.seq = Seq(0)
        self.time_ms = Millis(0)
        self.repeated = False
        """It has the seq of an earlier try."""
        self.refusal: Refusal.ValueType = log_pb2.APPEND_REFUSAL_UNSPECIFIED

    def refuse(self, refusal: Refusal.ValueType, searched_to: Seq | None = None) -> None:
        self.refusal = refusal
        self.seq = searched_to or Seq(0)

    def accept(self, seq: Seq, time_ms: Millis, *, repeated: bool) -> None:
        self.seq = seq
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
        return FieldViolation("kind", "must be message or control")
    if not item.client_id:
        return FieldViolation("client_id", "must not be empty")
    if len(item.content) > MAX_EVENT_BYTES:
        return FieldViolation("content", f"must be at most {MAX_EVENT_BYTES} bytes")
    if item.after_seq < 0 or item.target_seq < 0 or item.policy_version < 0:
        return FieldViolation("after_seq, target_seq, policy_version", "must not be negative")
    return None


def _digest(log: LogKey, kind: Kind, target_seq: Seq, content: bytes) -> bytes:
    """Tells bodies apart. Keyed with the random log id, so that equal texts in two logs do not show as equal."""
    digest = hashlib.blake2b(b"%d %d " % (kind, target_seq), digest_size=_DIGEST_BYTES, key=log.log_id)
    digest.update(content)
    return digest.digest()
