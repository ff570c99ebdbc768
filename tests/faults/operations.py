"""What clients did and were shown while things broke: one record per try and per piece of a log, kept as JSON Lines, too."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import orjson
from tertulia.chat.v1 import event_pb2


class Kind(StrEnum):
    """What was tried."""

    SEND = "send"
    EDIT = "edit"
    DELETE = "delete"
    ADD = "add"
    """Somebody is made a member."""
    REMOVE = "remove"
    """Somebody is a member no more."""
    MARK = "mark"
    """A read position is moved forward."""
    LIST = "list"
    """The members' read positions are asked for."""
    UNREAD = "unread"
    """One's own channel is asked for: head, read position, unread count."""
    READ = "read"
    """Events or messages are read from the log."""


WRITES = frozenset({Kind.SEND, Kind.EDIT, Kind.DELETE, Kind.ADD, Kind.REMOVE, Kind.MARK})


class Outcome(StrEnum):
    """What whoever tried was told."""

    OK = "ok"
    FAILED = "failed"
    """It was not done, and will not be."""
    UNKNOWN = "unknown"


class Entry(NamedTuple):
    """An event of a channel as somebody is shown it."""

    seq: int
    kind: str
    author: str
    client_id: str = ""
    target: int = 0
    """Of what is about a message: its seq."""
    text: str = ""
    """As it was said; of an edit the new one. Empty: it is gone."""
    edited: str = ""
    """Of a message that is read: its newest text, where that is another."""
    deleted: bool = False
    """Of a message that is read: it says that it was deleted."""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[int, str, str, str, int]:
        """What I2 wants every reader to see."""
        return self.seq, self.kind, self.author, self.client_id, self.target


@dataclass(slots=True)
class Operation:
    """One try. Moments are seconds since the run began."""

    kind: Kind
    user: str
    channel: str
    begun: float
    client_id: str = ""
    attempt: int = 1
    """Tries of one operation have the same client id, and count from 1."""
    text: str = ""
    target: int = 0
    """Of edits and deletions the message, of marks the position that was asked for."""
    subject: str = ""
    """Who is added or removed."""
    ended: float = 0.0
    outcome: Outcome = Outcome.UNKNOWN
    reason: str = ""
    seq: int = 0
    """Where it stands in the log; of MARK and UNREAD the read position."""
    count: int = 0
    """Of UNREAD: how many messages are unread."""
    positions: dict[str, int] = field(default_factory=dict)
    """Of LIST: read positions by user."""
    entries: list[Entry] = field(default_factory=list)
    """Of READ: what it showed."""
    from_seq: int = 0
    to_seq: int = 0
    """Of READ of events: from where to where it showed them."""
    head: int = 0
    """Of READ and UNREAD: the newest event, as it was said."""

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK


@dataclass(slots=True)
class Shown:
    """A piece of a log that a session was given."""

    reader: str
    channel: str
    since: float
    """When the session was asked for."""
    at: float
    from_seq: int
    to_seq: int
    entries: list[Entry] = field(default_factory=list)
    gap: bool = False
    """The client was told to fetch it by itself."""


@dataclass(slots=True)
class Told:
    """A session was told of somebody's read position."""

    reader: str
    channel: str
    since: float
    at: float
    user: str
    seq: int


@dataclass(slots=True)
class Recording:
    """Everything that happened."""

    operations: list[Operation] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def of(self, *kinds: Kind) -> list[Operation]:
        return [operation for operation in self.operations if operation.kind in kinds]


class Recorder:
    """Takes notes. All that is noted is in `recording`, and a line of `path` as soon as it has ended."""

    def __init__(self, path: Path) -> None:
        self.recording = Recording()
        self._file = path.open("wb", buffering=0)  # nothing of it is lost with a run that is killed
        self._begun = time.monotonic()
        self.acknowledged = 0
        """Writes so far."""

    def now(self) -> float:
        return time.monotonic() - self._begun

    def begin(self, kind: Kind, user: str, channel: str) -> Operation:
        """A try begins. To be handed back to `end`, also if its outcome stays unknown."""
        operation = Operation(kind, user, channel, self.now())
        self.recording.operations.append(operation)
        return operation

    def end(self, operation: Operation) -> None:
        operation.ended = self.now()
        self.acknowledged += operation.ok and operation.kind in WRITES
        self._write(operation)

    def show(self, shown: Shown) -> None:
        self.recording.shown.append(shown)
        self._write(shown)

    def tell(self, told: Told) -> None:
        self.recording.told.append(told)
        self._write(told)

    def close(self) -> None:
        self._file.close()

    def _write(self, noted: Operation | Shown | Told) -> None:
        line = {"noted": type(noted).__name__, "what": noted}
        self._file.write(orjson.dumps(line, default=list, option=orjson.OPT_APPEND_NEWLINE))


def entries_of(events: Iterable[event_pb2.Event]) -> list[Entry]:
    """Events as they came from the API."""
    return [_entry(event) for event in events]


def _entry(event: event_pb2.Event) -> Entry:
    kind = event.WhichOneof("content") or ""
    entry = Entry(event.seq, kind, event.sender_user_id, event.client_id)
    match kind:
        case "message":
            state = event.state
            return entry._replace(text=event.message.text, edited=state.edited.text, deleted=state.deleted)
        case "message_edited":
            return entry._replace(target=event.message_edited.target_seq, text=event.message_edited.message.text)
        case "message_deleted":
            return entry._replace(target=event.message_deleted.target_seq)
        case "membership_change":
            change = event.membership_change
            # the client id of such an event is the channel service's own, and not shown
            return entry._replace(added=_sorted(change.added_user_ids), removed=_sorted(change.removed_user_ids))
    return entry


def _sorted(user_ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(user_ids))
