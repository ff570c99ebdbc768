"""Statements about rows, and what they find. They run in a transaction of the caller's."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence

from libs.log_store.errors import SeqTaken
from libs.log_store.types import (
    EMPTY_HEAD,
    Entry,
    Head,
    Kind,
    LogBatch,
    LogKey,
    Millis,
    Row,
    SendId,
    Sent,
    Seq,
    Shown,
    shard_of,
)

_ROW = "seq, kind, time_ms, message_count, policy_version, sender_user_id, client_id, digest, event, target_seq"
_ENTRY = ", ".join(f"event.{column}" for column in f"{_ROW}, deletion_seq".split(", ")) + ", ifnull(overlay.state, x'')"
_SHOWN = "event.seq, event.kind, event.event, overlay.state"
_SENT = "seq, time_ms, kind, sender_user_id, client_id, digest, target_seq"
_OF_LOG = "FROM event WHERE log_id = ? AND application_id = ?"
_WITH_OVERLAY = "FROM event LEFT JOIN overlay USING (log_id, application_id, seq) WHERE event.log_id = ? AND event.application_id = ?"
_INSERT = f"INSERT INTO event (shard, application_id, log_id, {_ROW}) VALUES ({', '.join('?' * 13)})"  # noqa: S608 - our own names
_AT = f"SELECT {_ENTRY} {_WITH_OVERLAY} AND event.seq = ?"
_HEAD = f"SELECT seq, message_count, policy_version, time_ms {_OF_LOG} ORDER BY seq DESC LIMIT 1"
_LAST_MESSAGE = (
    f"SELECT event.event, ifnull(overlay.state, x'') {_WITH_OVERLAY} AND event.kind = {Kind.MESSAGE.value} "
    "ORDER BY event.seq DESC LIMIT 1"
)
_TAIL = f"SELECT {_SENT} {_OF_LOG} ORDER BY seq DESC LIMIT ?"
_FIND = f"SELECT {_SENT} {_OF_LOG} AND seq BETWEEN ? AND ? AND (sender_user_id, client_id) IN (VALUES "
_RANGE = f"SELECT {_SHOWN} {_WITH_OVERLAY} AND event.seq BETWEEN ? AND ? ORDER BY event.seq LIMIT ?"
_RANGE_BACKWARD = f"SELECT {_SHOWN} {_WITH_OVERLAY} AND event.seq BETWEEN ? AND ? ORDER BY event.seq DESC LIMIT ?"
_COUNT = f"SELECT message_count {_OF_LOG} AND seq = ?"

_KINDS = {kind.value: kind for kind in Kind}


def insert(connection: sqlite3.Connection, batches: Sequence[LogBatch]) -> None:
    """Write rows.

    Raises:
        sqlite3.IntegrityError: one of their seqs is taken, perhaps by itself.
    """
    connection.executemany(_INSERT, _values(batches))


def insert_missing(connection: sqlite3.Connection, batches: Sequence[LogBatch]) -> None:
    """Write the rows that are not there.

    Raises:
        SeqTaken: another row is where one of them belongs.
    """
    for batch in batches:
        log = batch.log
        for row in batch.rows:
            there = at(connection, log, row.seq)
            if there is None:
                connection.execute(_INSERT, (shard_of(log), log.application_id, log.log_id, *row))
            elif not there.repeats(row):
                raise SeqTaken(log, row.seq)


def _values(batches: Sequence[LogBatch]) -> Iterator[tuple[object, ...]]:
    for log, rows, _ in batches:
        place = (shard_of(log), log.application_id, log.log_id)
        for row in rows:
            yield place + row


def at(connection: sqlite3.Connection, log: LogKey, seq: Seq) -> Entry | None:
    found = connection.execute(_AT, (log.log_id, log.application_id, seq)).fetchone()
    return None if found is None else _entry(found)


def read(
    connection: sqlite3.Connection,
    log: LogKey,
    first: Seq,
    last: Seq,
    *,
    limit: int,
    max_bytes: int,
    backward: bool,
) -> list[Shown]:
    """As LogStore.read."""
    found: list[Shown] = []
    size = 0
    select = _RANGE_BACKWARD if backward else _RANGE
    for seq, kind, event, state in connection.execute(select, (log.log_id, log.application_id, first, last, limit)):
        shown = event if state is None else event + state
        found.append(Shown(seq, _KINDS[kind], shown))
        size += len(shown)
        if size >= max_bytes:
            break
    return found[::-1] if backward else found


def head(connection: sqlite3.Connection, log: LogKey, *, with_last_message: bool) -> Head:
    key = (log.log_id, log.application_id)
    newest = connection.execute(_HEAD, key).fetchone()
    if newest is None:
        return EMPTY_HEAD
    seq, message_count, policy_version, time_ms = newest
    last_message = b""
    if with_last_message and message_count:
        event, state = connection.execute(_LAST_MESSAGE, key).fetchone()
        last_message = event + state
    return Head(seq, message_count, policy_version, time_ms, last_message)


def tail(connection: sqlite3.Connection, log: LogKey, count: int) -> list[Sent]:
    rows = connection.execute(_TAIL, (log.log_id, log.application_id, count)).fetchall()
    return [_sent(row) for row in reversed(rows)]


def find_sent(
    connection: sqlite3.Connection, log: LogKey, sends: Collection[SendId], first: Seq, last: Seq
) -> list[Sent]:
    """As LogStore.find_sent."""
    select = f"{_FIND}{', '.join(['(?, ?)'] * len(sends))}) ORDER BY seq"
    ids = [value for send in sends for value in send]
    return [_sent(row) for row in connection.execute(select, (log.log_id, log.application_id, first, last, *ids))]


def count(connection: sqlite3.Connection, log: LogKey, seq: Seq) -> int:
    if seq == 0:
        return 0
    row = connection.execute(_COUNT, (log.log_id, log.application_id, seq)).fetchone()
    return -1 if row is None else int(row[0])


def _entry(values: tuple[int, int, int, int, int, str, str, bytes, bytes, int, int, bytes]) -> Entry:
    seq, kind, time_ms, *rest, target_seq, deletion_seq, state = values
    row = Row(Seq(seq), _KINDS[kind], Millis(time_ms), *rest, Seq(target_seq))  # type: ignore[arg-type,call-arg] # the star forgets the types
    return Entry(row, Seq(deletion_seq), state)


def _sent(values: tuple[int, int, int, str, str, bytes, int]) -> Sent:
    seq, time_ms, kind, sender_user_id, client_id, digest, target_seq = values
    return Sent(Seq(seq), Millis(time_ms), _KINDS[kind], sender_user_id, client_id, digest, Seq(target_seq))
