"""A LogStore on SQLite."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import structlog

from libs.log_store.errors import StoreUnavailable
from libs.log_store.shards import Shards
from libs.log_store.sqlite import rows
from libs.log_store.sqlite.amendments import amend, mention_count
from libs.log_store.sqlite.schema import MIGRATIONS
from libs.log_store.types import (
    SHARDS,
    Changes,
    Entry,
    Head,
    LogBatch,
    LogKey,
    LogPosition,
    MentionQuery,
    Recovered,
    SendId,
    Sent,
    Seq,
    Shown,
)
from libs.sqlite import Database, DatabaseOverloaded, open_database

Result = TypeVar("Result")
logger = structlog.get_logger()

_CHANGES = (
    "SELECT change, application_id, log_id, seq FROM event WHERE shard = ? AND change > ? ORDER BY change LIMIT ?"
)
_BRIEF_ROWS = 64
"""So few rows, or logs, are written or read while the loop waits: 0.5 ms, measured with 64 rows of 400 bytes."""
_POSITION_DIGITS = 18  # of a rowid, which is below 2^63


class SqliteLogStore:
    """A LogStore. Made by `sqlite_log_store`."""

    def __init__(self, database: Database) -> None:
        self.shards = Shards(range(SHARDS))
        self._database = database

    @property
    def commits(self) -> int:
        """Transactions committed since the start: an fsync each."""
        return self._database.commits

    async def append(self, batches: Sequence[LogBatch]) -> None:
        amending = [batch for batch in batches if any(batch.amendments)]
        forgets = any(batch.amendments.redactions for batch in amending)
        brief = not amending and sum(len(batch.rows) for batch in batches) <= _BRIEF_ROWS

        def statements(connection: sqlite3.Connection) -> None:
            try:
                rows.insert(connection, batches)
            except sqlite3.IntegrityError:  # perhaps it is a repetition: look at each row
                rows.insert_missing(connection, batches)
            for batch in amending:
                amend(connection, batch)

        try:
            await self._database.write(statements, forgets=forgets, brief=brief)
        except (sqlite3.Error, DatabaseOverloaded) as error:
            logger.error("log_store_append_failed", error=repr(error))  # noqa: TRY400 - one line for each of many
            raise StoreUnavailable(writing=True) from error

    async def barrier(self) -> None:
        """Nothing to do: the lock on the file is held for the life of the process."""

    async def recover(self, log: LogKey, remembered: int) -> Recovered:
        return await self._read(
            lambda connection: Recovered(
                rows.head(connection, log, with_last_message=True), rows.tail(connection, log, remembered)
            )
        )

    async def find_sent(self, log: LogKey, sends: Collection[SendId], first: Seq, last: Seq) -> list[Sent]:
        return await self._read(lambda connection: rows.find_sent(connection, log, sends, first, last))

    async def read(
        self, log: LogKey, first: Seq, last: Seq, *, limit: int, max_bytes: int, backward: bool = False
    ) -> list[Shown]:
        return await self._read(
            lambda connection: rows.read(
                connection, log, first, last, limit=limit, max_bytes=max_bytes, backward=backward
            ),
            brief=limit <= _BRIEF_ROWS,
        )

    async def entries(self, log: LogKey, seqs: Sequence[Seq]) -> list[Entry | None]:
        return await self._read(
            lambda connection: [rows.at(connection, log, seq) for seq in seqs], brief=len(seqs) <= _BRIEF_ROWS
        )

    async def heads(self, logs: Sequence[LogKey], *, with_last_message: bool) -> list[Head]:
        return await self._read(
            lambda connection: [rows.head(connection, log, with_last_message=with_last_message) for log in logs],
            brief=len(logs) <= _BRIEF_ROWS,
        )

    async def counts(self, positions: Sequence[LogPosition]) -> list[int]:
        return await self._read(
            lambda connection: [rows.count(connection, log, seq) for log, seq in positions],
            brief=len(positions) <= _BRIEF_ROWS,
        )

    async def mention_counts(self, queries: Sequence[MentionQuery]) -> list[int]:
        return await self._read(lambda connection: [mention_count(connection, query) for query in queries])

    async def changes(self, shard: int, after: str, limit: int) -> Changes:
        position = _position(after)

        def query(connection: sqlite3.Connection) -> Changes:
            newest: dict[LogKey, Seq] = {}
            last = position
            for last, application_id, log_id, seq in connection.execute(_CHANGES, (shard, position, limit)):  # noqa: B007
                newest[LogKey(application_id, log_id)] = seq
            return Changes([LogPosition(log, seq) for log, seq in newest.items()], str(last))

        return await self._read(query)

    async def _read(self, query: Callable[[sqlite3.Connection], Result], *, brief: bool = False) -> Result:
        try:
            return await self._database.read(query, brief=brief)
        except (sqlite3.Error, DatabaseOverloaded) as error:
            logger.error("log_store_read_failed", error=repr(error))  # noqa: TRY400
            raise StoreUnavailable(writing=False) from error


@asynccontextmanager
async def sqlite_log_store(path: Path) -> AsyncIterator[SqliteLogStore]:
    """Own the logs in the file at `path` for as long as the body runs; the file is made if need be.

    Raises:
        CannotStart: another process owns it, it is no database, or a newer program made it.
    """
    async with open_database(path, MIGRATIONS) as database:
        yield SqliteLogStore(database)


def _position(after: str) -> int:
    if after and not (after.isdecimal() and after.isascii() and len(after) <= _POSITION_DIGITS):
        raise ValueError(f"no position of this store: {after!r}")
    return int(after or "0")
