"""Rows to write."""

from collections.abc import Sequence

from tertulia.chat.v1 import event_pb2

from libs.log_store import Entry, Kind, LogBatch, LogKey, Millis, Row, Seq, Shown

LOG = LogKey("app", b"0123456789abcdef")
OTHER = LogKey("app", b"another log 0002")
FOREIGN = LogKey("other-app", LOG.log_id)
"""The same log id in another application: another log."""

CONTROL_EVERY = 4


def row(seq: int, *, kind: Kind | None = None, text: str = "hello", sender: str = "alice") -> Row:
    """A row of a log in which every fourth event is a control event."""
    kind = kind or (Kind.CONTROL if seq % CONTROL_EVERY == 0 else Kind.MESSAGE)
    event = event_pb2.Event(seq=seq, sender_user_id=sender, client_id=f"id-{seq}")
    if kind is Kind.MESSAGE:
        event.message.text = f"{text}\0\U0001f600"
    else:
        event.membership_change.added_user_ids.append(text)
    return Row(
        Seq(seq),
        kind,
        Millis(1_700_000_000_000 + seq),
        seq - seq // CONTROL_EVERY,
        seq // CONTROL_EVERY,
        sender,
        f"id-{seq}",
        f"digest-{text}".encode(),
        event.SerializeToString(),
        Seq(0),
    )


def rows(first: int, last: int) -> list[Row]:
    return [row(seq) for seq in range(first, last + 1)]


def entries(first: int, last: int) -> list[Entry]:
    """As `rows` are kept."""
    return [Entry(row, Seq(0), b"") for row in rows(first, last)]


def shown(first: int, last: int) -> list[Shown]:
    """As `rows` are read."""
    return [Shown(row.seq, row.kind, row.event) for row in rows(first, last)]


def batch(log: LogKey, rows: Sequence[Row]) -> list[LogBatch]:
    return [LogBatch(log, rows)]
