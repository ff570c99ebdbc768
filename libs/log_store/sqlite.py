"""The logs on SQLite: one table, one writer, and a file lock in the place of fences."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import structlog

from libs.log_store.errors import SeqTaken, StoreUnavailable
from libs.log_store.types import (
    EMPTY_HEAD,
    Changes,
    Head,
    Kind,
    LogBatch,
    LogKey,
    LogPosition,
    Millis,
    Recovered,
    Row,
    Sent,
    Seq,
    shard_of,
)
from libs.sqlite import Database, DatabaseOverloaded, open_database

Result = TypeVar("Result")
logger = structlog.get_logger()

_SCHEMA_1 = """
CREATE TABLE IF NOT EXISTS event (
    change INTEGER PRIMARY KEY, -- the order of writing over all logs; one writer, so also the order of becoming visible
    shard INTEGER NOT NULL,
    application_id TEXT NOT NULL,
    log_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    sender_user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    event BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS event_by_seq ON event (log_id, application_id, seq);
CREATE INDEX IF NOT EXISTS event_by_change ON event (shard); -- and change, its rowid
"""
_MIGRATIONS = (_SCHEMA_1,)

_ROW = "seq, kind, time_ms, message_count, policy_version, sender_user_id, client_id, digest, event"
_SENT = "seq, time_ms, kind, sender_user_id, client_id, digest"
_OF_LOG = "FROM event WHERE log_id = ? AND application_id = ?"
_INSERT = f"INSERT INTO event (shard, application_id, log_id, {_ROW}) VALUES ({', '.join('?' * 12)})"  # noqa: S608 - our own names
_AT = f"SELECT {_ROW} {_OF_LOG} AND seq = ?"
_HEAD = f"SELECT seq, message_count, policy_version, time_ms {_OF_LOG} ORDER BY seq DESC LIMIT 1"
_LAST_MESSAGE = f"SELECT event {_OF_LOG} AND kind = {Kind.MESSAGE.value} ORDER BY seq DESC LIMIT 1"
_TAIL = f"SELECT {_SENT} {_OF_LOG} ORDER BY seq DESC LIMIT ?"
_FIND = f"SELECT {_SENT} {_OF_LOG} AND seq BETWEEN ? AND ? AND sender_user_id = ? AND client_id = ? LIMIT 1"
_RANGE = f"SELECT {_ROW} {_OF_LOG} AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
_RANGE_BACKWARD = f"SELECT {_ROW} {_OF_LOG} AND seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?"
_COUNT = f"SELECT message_count {_OF_LOG} AND seq = ?"
_CHANGES = (
    "SELECT change, application_id, log_id, seq FROM event WHERE shard = ? AND change > ? ORDER BY change LIMIT ?"
)

_POSITION_DIGITS = 18  # of a rowid, which is below 2^63
_KINDS = {kind.value: kind for kind in Kind}


class SqliteLogStore:
    """A LogStore. Made by `sqlite_log_store`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def commits(self) -> int:
        """Transactions committed since the start: an fsync each."""
        return self._database.commits

    async def append(self, batches: Sequence[LogBatch]) -> None:
        def statements(connection: sqlite3.Connection) -> None:
            try:
                connection.executemany(_INSERT, _values(batches))
            except sqlite3.IntegrityError:  # perhaps it is a repetition: look at each row
                _append_missing(connection, batches)

        try:
            await self._database.write(statements)
        except (sqlite3.Error, DatabaseOverloaded) as error:
            logger.error("log_store_append_failed", error=repr(error))  # noqa: TRY400 - one line for each of many
            raise StoreUnavailable(writing=True) from error

    async def barrier(self) -> None:
        """Nothing to do: the lock on the file is held for the life of the process."""

    async def recover(self, log: LogKey, remembered: int) -> Recovered:
        def query(connection: sqlite3.Connection) -> Recovered:
            head = _head(connection, log, with_last_message=True)
            rows = connection.execute(_TAIL, (log.log_id, log.application_id, remembered)).fetchall()
            return Recovered(head, [_sent(row) for row in reversed(rows)])

        return await self._read(query)

    async def find_sent(self, log: LogKey, sender_user_id: str, client_id: str, first: Seq, last: Seq) -> Sent | None:
        parameters = (log.log_id, log.application_id, first, last, sender_user_id, client_id)

        def query(connection: sqlite3.Connection) -> Sent | None:
            row = connection.execute(_FIND, parameters).fetchone()
            return None if row is None else _sent(row)

        return await self._read(query)

    async def read(
        self, log: LogKey, first: Seq, last: Seq, *, limit: int, max_bytes: int, backward: bool = False
    ) -> list[Row]:
        def query(connection: sqlite3.Connection) -> list[Row]:
            found: list[Row] = []
            size = 0
            select = _RANGE_BACKWARD if backward else _RANGE
            for values in connection.execute(select, (log.log_id, log.application_id, first, last, limit)):
                found.append(row := _row(values))
                size += len(row.event)
                if size >= max_bytes:
                    break
            return found[::-1] if backward else found

        return await self._read(query)

    async def heads(self, logs: Sequence[LogKey], *, with_last_message: bool) -> list[Head]:
        return await self._read(
            lambda connection: [_head(connection, log, with_last_message=with_last_message) for log in logs]
        )

    async def counts(self, positions: Sequence[LogPosition]) -> list[int]:
        def count(connection: sqlite3.Connection, log: LogKey, seq: Seq) -> int:
            if seq == 0:
                return 0
            row = connection.execute(_COUNT, (log.log_id, log.application_id, seq)).fetchone()
            return -1 if row is None else int(row[0])

        return await self._read(lambda connection: [count(connection, log, seq) for log, seq in positions])

    async def changes(self, shard: int, after: str, limit: int) -> Changes:
        position = _position(after)

        def query(connection: sqlite3.Connection) -> Changes:
            newest: dict[LogKey, Seq] = {}
            last = position
            for last, application_id, log_id, seq in connection.execute(_CHANGES, (shard, position, limit)):  # noqa: B007
                newest[LogKey(application_id, log_id)] = seq
            return Changes([LogPosition(log, seq) for log, seq in newest.items()], str(last))

        return await self._read(query)

    async def _read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await self._database.read(query)
        except (sqlite3.Error, DatabaseOverloaded) as error:
            logger.error("log_store_read_failed", error=repr(error))  # noqa: TRY400
            raise StoreUnavailable(writing=False) from error


@asynccontextmanager
async def sqlite_log_store(path: Path) -> AsyncIterator[SqliteLogStore]:
    """Own the logs in the file at `path` for as long as the body runs; the file is made if need be.

    Raises:
        CannotStart: another process owns it, it is no database, or a newer program made it.
    """
    async with open_database(path, _MIGRATIONS) as database:
        yield SqliteLogStore(database)


def _values(batches: Sequence[LogBatch]) -> Iterator[tuple[object, ...]]:
    for log, rows in batches:
        place = (shard_of(log), log.application_id, log.log_id)
        for row in rows:
            yield place + row


def _append_missing(connection: sqlite3.Connection, batches: Sequence[LogBatch]) -> None:
    """Write the rows that are not there.

    Raises:
        SeqTaken: another row is where one of them belongs.
    """
    for log, rows in batches:
        for row in rows:
            there = connection.execute(_AT, (log.log_id, log.application_id, row.seq)).fetchone()
            if there is None:
                connection.execute(_INSERT, (shard_of(log), log.application_id, log.log_id, *row))
            elif _row(there) != row:
                raise SeqTaken(log, row.seq)


def _head(connection: sqlite3.Connection, log: LogKey, *, with_last_message: bool) -> Head:
    key = (log.log_id, log.application_id)
    newest = connection.execute(_HEAD, key).fetchone()
    if newest is None:
        return EMPTY_HEAD
    seq, message_count, policy_version, time_ms = newest
    last_message = b""
    if with_last_message and message_count:
        (last_message,) = connection.execute(_LAST_MESSAGE, key).fetchone()
    return Head(seq, message_count, policy_version, time_ms, last_message)


def _position(after: str) -> int:
    if after and not (after.isdecimal() and after.isascii() and len(after) <= _POSITION_DIGITS):
        raise ValueError(f"no position of this store: {after!r}")
    return int(after or "0")


def _row(values: tuple[int, int, int, int, int, str, str, bytes, bytes]) -> Row:
    seq, kind, time_ms, *rest = values
    return Row(Seq(seq), _KINDS[kind], Millis(time_ms), *rest)  # type: ignore[arg-type] # the star forgets the types


def _sent(values: tuple[int, int, int, str, str, bytes]) -> Sent:
    seq, time_ms, kind, sender_user_id, client_id, digest = values
    return Sent(Seq(seq), Millis(time_ms), _KINDS[kind], sender_user_id, client_id, digest)
