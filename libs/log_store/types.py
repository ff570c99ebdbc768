"""What log stores take and give."""

import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, NewType, Protocol

Seq = NewType("Seq", int)
"""A place in a log, from 1, below 2^53."""

Millis = NewType("Millis", int)
"""Milliseconds since the Unix epoch, of a clock that nothing depends on."""

SHARDS = 256
"""Logs hash to so many shards. It is part of what is stored, and never changes."""


class LogKey(NamedTuple):
    """The name of a log."""

    application_id: str
    log_id: bytes
    """128 random bits."""


class HasLogId(Protocol):
    """Whatever names a log."""

    @property
    def log_id(self) -> bytes: ...


def shard_of(log: HasLogId) -> int:
    """The shard of a log, from 0. Part of what is stored: it never changes."""
    return zlib.crc32(log.log_id) % SHARDS


class Kind(IntEnum):
    """What an event means to the log."""

    MESSAGE = 1
    """Counted."""
    CONTROL = 2
    """Of membership, of policy, or an inbox entry."""
    EDIT = 3
    """A message has another content."""
    DELETION = 4
    """A message is gone."""
    REACTION = 5
    """Somebody reacted to a message, or took that back."""


class Row(NamedTuple):
    """One event of a log."""

    seq: Seq
    kind: Kind
    time_ms: Millis
    message_count: int
    """Messages in the log up to this row, itself included."""
    policy_version: int
    """The newest version of membership and policy up to this row, itself included."""
    sender_user_id: str
    client_id: str
    digest: bytes
    """Tells the bodies of two events apart; empty: it was blanked with the body."""
    event: bytes
    """What readers get: an encoded tertulia.chat.v1.Event without state."""
    target_seq: Seq
    """The message that it answers, edits, deletes or reacts to; 0: none."""


class Entry(NamedTuple):
    """A row as it is read."""

    row: Row
    """Blanked if it was deleted: its event then says what kind it is, and what it answers or edits, but has no content."""
    deletion_seq: Seq
    """Of the deletion that blanked it; 0: none."""
    state: bytes
    """Of messages: an encoded Event that holds nothing but its `state`, to be put behind the row's. Empty: no event was about
    it."""

    def repeats(self, row: Row) -> bool:
        """Whether this is what became of a row that was written."""
        there, written = (self.row, row) if not self.deletion_seq else (_bare(self.row), _bare(row))
        return there == written


def _bare(row: Row) -> Row:
    return row._replace(digest=b"", event=b"")


class Shown(NamedTuple):
    """What readers get of a row."""

    seq: Seq
    kind: Kind
    event: bytes
    """The row's event as Entry has it, and its state behind it."""


class Overlay(NamedTuple):
    """What later events made of a message. It stands beside the message's row, and the one of the highest `as_of_seq` counts."""

    seq: Seq
    """Of the message."""
    as_of_seq: Seq
    """Of the newest of those events."""
    deleted: bool
    state: bytes
    """As Entry.state."""


class Redaction(NamedTuple):
    """A deletion: rows to be blanked, for ever."""

    deletion_seq: Seq
    seqs: Sequence[Seq]
    """The message and its edits."""


class Mention(NamedTuple):
    """Whether a message mentions a user. Of several the one of the highest `as_of_seq` counts."""

    user_id: str
    seq: Seq
    """Of the message."""
    sender_user_id: str
    """Of the message."""
    active: bool
    """False: it did, before it was edited or deleted."""
    as_of_seq: Seq
    """Of the event that made it so."""


class Amendments(NamedTuple):
    """What the events of a batch change beside their own rows. It follows from the log: to apply it again is harmless."""

    overlays: Sequence[Overlay]
    """One at most for a message."""
    redactions: Sequence[Redaction]
    mentions: Sequence[Mention]
    """One at most for a user and a message."""


NO_AMENDMENTS = Amendments((), (), ())


class LogBatch(NamedTuple):
    """Rows for one log, in order of seq, without a gap, and what follows from them."""

    log: LogKey
    rows: Sequence[Row]
    amendments: Amendments = NO_AMENDMENTS


class SendId(NamedTuple):
    """By what a repetition is recognised."""

    sender_user_id: str
    client_id: str


class Sent(NamedTuple):
    """What is remembered of an event to recognise its repetition."""

    seq: Seq
    time_ms: Millis
    kind: Kind
    sender_user_id: str
    client_id: str
    digest: bytes
    """Empty: the event was blanked."""
    target_seq: Seq
    """As Row.target_seq; it stays."""


class Head(NamedTuple):
    """Where a log stands."""

    seq: Seq
    """The newest event; 0: none."""
    message_count: int
    policy_version: int
    time_ms: Millis
    """Of the newest event."""
    last_message: bytes
    """The newest message with its state, encoded; empty: none, or not asked for."""


EMPTY_HEAD = Head(Seq(0), 0, 0, Millis(0), b"")
"""Of a log that was never written."""


class Recovered(NamedTuple):
    """What an owner must know of a log to go on with it."""

    head: Head
    """With the last message."""
    sent: Sequence[Sent]
    """The newest events, in order of seq, without a gap, up to the head."""


class LogPosition(NamedTuple):
    """A place in a log."""

    log: LogKey
    seq: Seq


class Changes(NamedTuple):
    """Logs that changed after a position, and the position up to which that is said."""

    logs: Sequence[LogPosition]
    """Each log once, with the newest seq that was seen."""
    next: str


MENTIONS_COUNTED = 100
"""So many mentions are counted at most."""

MENTIONS_SEARCHED = 1_000
"""So many of the newest mentions of a user in a log are looked at, whoever wrote them and whether or not they still hold."""


class MentionQuery(NamedTuple):
    """Where to count mentions of a user."""

    log: LogKey
    user_id: str
    after_seq: Seq
    except_senders: frozenset[str]
