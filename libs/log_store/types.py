"""What log stores take and give."""

import zlib
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, NewType

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


def shard_of(log: LogKey) -> int:
    """The shard of a log, from 0. Part of what is stored: it never changes."""
    return zlib.crc32(log.log_id) % SHARDS


class Kind(IntEnum):
    """What an event means to the log."""

    MESSAGE = 1
    """Counted."""
    CONTROL = 2


class Row(NamedTuple):
    """One event of a log, as it is stored."""

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
    """Tells the bodies of two events apart."""
    event: bytes
    """What readers get, encoded."""


class LogBatch(NamedTuple):
    """Rows for one log, in order of seq, without a gap."""

    log: LogKey
    rows: Sequence[Row]


class Sent(NamedTuple):
    """What is remembered of an event to recognise its repetition."""

    seq: Seq
    time_ms: Millis
    kind: Kind
    sender_user_id: str
    client_id: str
    digest: bytes


class Head(NamedTuple):
    """Where a log stands."""

    seq: Seq
    """The newest event; 0: none."""
    message_count: int
    policy_version: int
    time_ms: Millis
    """Of the newest event."""
    last_message: bytes
    """The event bytes of the newest message; empty: none, or not asked for."""


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
