"""One SQLite file: a writer thread that commits in groups, reader threads, and a lock that keeps other processes out.

What is brief may be done in the thread of the loop: to wake another one and to be woken by it costs more than a small commit.
"""

import asyncio
import fcntl
import os
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from libs.runtime.errors import CannotStart

Result = TypeVar("Result")

_MAX_WAITING = 10_000  # writes, and as many reads, that may wait; beyond it callers get DatabaseOverloaded
_MAX_LOG_BYTES = 64 * 1024 * 1024
"""Of the write-ahead log. SQLite begins it anew by itself when it is at a thousand pages and no reader is in it, which never
happens while reads overlap without a pause: it had grown to 109 MB after 25 s of that, and to 4 MB without reads."""
_READERS = 2
_SLOW_COMMIT_SECONDS = 0.002
"""When the last commit took longer, as on a slow disk, a brief one is left to the writer thread, too: the loop stands still
meanwhile. Where docs/performance.md was measured one takes 0.3 ms."""
_THREAD_SWITCH_SECONDS = 0.0005
"""How long a busy thread keeps the interpreter from the writer and the readers. sqlite3 gives it up at every row: with
Python's 5 ms, 64 inserts beside a busy loop took 296 ms, with this 3 ms (measured on two cores)."""


class DatabaseLocked(CannotStart):
    """Another process holds the database. Stop it first: two owners of one file is what the lock prevents."""


class DatabaseOverloaded(Exception):
    """Too many writes or reads are waiting. Nothing was done."""


class _Write(NamedTuple):
    statements: Callable[[sqlite3.Connection], object]
    done: asyncio.Future[object] | None
    """None: who asked for it runs it."""
    forgets: bool


class Database:
    """Writes are durable when they return (WAL, synchronous=FULL), and share an fsync with all that waited beside them.

    Made by `open_database`.
    """

    def __init__(self, path: Path, max_log_bytes: int = _MAX_LOG_BYTES) -> None:
        self._path = path
        self._max_log_bytes = max_log_bytes
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Write] = []
        self._wake = threading.Condition()
        self._committing = threading.Lock()
        self._commit_seconds = 0.0
        self._closing = False
        self._reading = 0
        self._entrance = threading.Lock()
        self._inside = threading.Semaphore(_READERS)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="sqlite-reader")
        self._reader = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._writer_connection = self._connect(writable=True)
        try:
            self._log = os.open(f"{path.resolve()}-wal", os.O_RDONLY | os.O_CLOEXEC)  # SQLite follows links, too
        except OSError:
            self._writer_connection.close()
            raise
        self._writer = threading.Thread(target=self._write_groups, name="sqlite-writer", daemon=True)
        self.commits = 0
        """Transactions committed so far: each is one fsync of the write-ahead log."""

    async def write(
        self, statements: Callable[[sqlite3.Connection], Result], *, forgets: bool = False, brief: bool = False
    ) -> Result:
        """Run `statements` inside a transaction; return its result once that is durable.

        A failure undoes its own statements only. With `forgets`, what they overwrite is right afterwards in no byte of the
        files any more. They run in the writer thread, or, if they are `brief` and nothing else is being written, at once.

        Raises:
            DatabaseOverloaded: nothing was written.
            sqlite3.Error: the statements or the commit failed; nothing of them was written. When a commit failed for I/O,
                what is on disk is unknown until the file is opened again.
            Exception: whatever else `statements` raised.
        """
        if brief and not forgets and self._may_commit_here():
            return self._commit_here(statements)
        done: asyncio.Future[Result] = self._loop.create_future()
        with self._wake:
            if self._closing:
                raise sqlite3.ProgrammingError("the database is closed")
            if len(self._waiting) >= _MAX_WAITING:
                raise DatabaseOverloaded
            self._waiting.append(_Write(statements, done, forgets))  # type: ignore[arg-type] # a Future is read by its owner alone
            self._wake.notify()
        return await done

    async def read(self, query: Callable[[sqlite3.Connection], Result], *, brief: bool = False) -> Result:
        """Run `query`: it sees one state, with everything whose write has returned.

        It runs in a reader thread, or, if it is `brief`, at once.

        Raises:
            DatabaseOverloaded: nothing was read.
            sqlite3.Error: the query failed.
        """
        if brief and self._entrance.acquire(blocking=False):  # else the write-ahead log is about to begin anew
            here = self._inside.acquire(blocking=False)
            self._entrance.release()
            if here:
                return self._in_one_state(query)
        if self._reading >= _MAX_WAITING:
            raise DatabaseOverloaded

        def when_let_in() -> Result:
            with self._entrance:
                self._inside.acquire()
            return self._in_one_state(query)

        self._reading += 1
        try:
            return await self._loop.run_in_executor(self._readers, when_let_in)
        finally:
            self._reading -= 1

    def _in_one_state(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a query and leave. The caller has come `_inside`."""
        try:
            connection = self._reader_connection()
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                connection.execute("ROLLBACK")
        finally:
            self._inside.release()

    def start(self) -> None:
        self._writer.start()

    async def close(self) -> None:
        """Finish what waits, then close everything."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        os.close(self._log)
        for connection in self._reader_connections:
            connection.close()

    def _connect(self, *, writable: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA secure_delete=ON")  # what is overwritten leaves no trace in free pages
        if not writable:
            connection.execute("PRAGMA query_only=ON")
        return connection

    def _reader_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._reader, "connection", None)
        if connection is None:
            connection = self._reader.connection = self._connect(writable=False)
            self._reader_connections.append(connection)
        return connection

    def _write_groups(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                group, self._waiting = self._waiting, []
            if not group:
                break
            with self._committing:
                outcomes = self._commit(group)
                self._loop.call_soon_threadsafe(_settle, group, outcomes)
                self._bound_log(0 if any(write.forgets for write in group) else self._max_log_bytes)
        self._writer_connection.close()

    def _may_commit_here(self) -> bool:
        """Whether the loop's thread may commit just now; then it has taken `_committing`."""
        if self._closing or self._waiting or self._commit_seconds > _SLOW_COMMIT_SECONDS:
            return False
        if not self._committing.acquire(blocking=False):
            return False
        if self._log_bytes() > self._max_log_bytes:  # the writer thread has a way to deal with that
            self._committing.release()
            return False
        return True

    def _commit_here(self, statements: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            [outcome] = self._commit([_Write(statements, None, forgets=False)])
        finally:
            self._committing.release()
        if isinstance(outcome, Exception):
            raise outcome
        return cast("Result", outcome)

    def _log_bytes(self) -> int:
        """Not by `stat`: since Linux 6.13 the next write to a file whose times were asked for takes new ones, and on
        a file system without a journal fdatasync then waits for one more write to the disk (W3 at window 1: 760 sends/s instead of 930)."""
        return os.lseek(self._log, 0, os.SEEK_END)

    def _bound_log(self, max_bytes: int) -> None:
        """Begin the write-ahead log anew if it has grown too large: no read begins until those that run have ended.

        SQLite's own way to wait for readers waits for ever while others come: 5 s, its limit here, in every other try.
        """
        if self._log_bytes() <= max_bytes:
            return
        with self._entrance:
            for _ in range(_READERS):
                self._inside.acquire()
            try:
                self._writer_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error:
                return  # the next commit that asks for it tries again, or the next start
            finally:
                self._inside.release(_READERS)

    def _commit(self, group: Sequence[_Write]) -> Sequence[object]:
        """One transaction for the group; returns each write's result, or the exception that it ended with."""
        connection = self._writer_connection
        begun = time.perf_counter()
        try:
            connection.execute("BEGIN IMMEDIATE")
            if len(group) == 1:
                outcomes = [group[0].statements(connection)]
            else:
                outcomes = [_run(connection, write) for write in group]
            connection.execute("COMMIT")
            self.commits += 1
        except Exception as error:  # noqa: BLE001 - it belongs to the callers, and the writer must outlive it
            with suppress(sqlite3.Error):  # SQLite has undone it by itself after a full disk or an I/O error
                connection.execute("ROLLBACK")
            return [error] * len(group)
        finally:
            self._commit_seconds = time.perf_counter() - begun
        return outcomes


def _run(connection: sqlite3.Connection, write: _Write) -> object:
    """The write's result, or its exception with its statements undone."""
    connection.execute("SAVEPOINT one")
    try:
        result = write.statements(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise  # a full disk or an I/O error undid the whole transaction: it is everybody's failure
        connection.execute("ROLLBACK TO one")
        result = error  # the caller gets it
    connection.execute("RELEASE one")
    return result


def _settle(group: Sequence[_Write], outcomes: Sequence[object]) -> None:
    for write, outcome in zip(group, outcomes, strict=True):
        if write.done is None or write.done.cancelled():
            continue
        if isinstance(outcome, Exception):
            write.done.set_exception(outcome)
        else:
            write.done.set_result(outcome)


@asynccontextmanager
async def open_database(
    path: Path, migrations: Sequence[str], *, max_log_bytes: int = _MAX_LOG_BYTES
) -> AsyncIterator[Database]:
    """Hold the database at `path` for as long as the body runs; make it if there is none.

    `migrations` are the steps of its schema, the first for an empty file. Those that the file has not seen are applied, each
    as one transaction with the number of steps (`PRAGMA user_version`). A step that was shipped never changes.

    The lock is an exclusive flock on `{path}.lock`, held for the life of the process: the kernel drops it when the
    process dies, however it dies, and never before.

    Makes the interpreter switch between threads more readily, for the whole process.

    Raises:
        DatabaseLocked: another process holds it.
        CannotStart: the file cannot be made or is no database, or a newer program made it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot use {path}: {error.strerror}") from error
    sys.setswitchinterval(_THREAD_SWITCH_SECONDS)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseLocked(f"{path} is in use by another process; stop that one first") from error
        database = _opened(path, migrations, max_log_bytes)
    except BaseException:
        os.close(lock)
        raise
    try:
        yield database
    finally:
        await asyncio.shield(_close(database, lock))


async def _close(database: Database, lock: int) -> None:
    """In this order, whoever is in a hurry: the writer may be in the midst of a commit."""
    await database.close()
    os.close(lock)


def _opened(path: Path, migrations: Sequence[str], max_log_bytes: int) -> Database:
    try:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            _migrate(connection, path, migrations)
            connection.execute(
                "PRAGMA wal_checkpoint(TRUNCATE)"
            )  # a process that was killed may have left what it forgot
        finally:
            connection.close()
        database = Database(path, max_log_bytes)
    except (sqlite3.Error, OSError) as error:
        raise CannotStart(f"cannot open the database {path}: {error}") from error
    database.start()
    return database


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    (present,) = connection.execute("PRAGMA user_version").fetchone()
    if present > len(migrations):
        raise CannotStart(
            f"the schema of {path} is version {present}, this program knows only {len(migrations)}: "
            "it is too old for this database"
        )
    for version, statements in enumerate(migrations[present:], start=present + 1):
        connection.executescript(f"BEGIN; {statements}; PRAGMA user_version = {version}; COMMIT")
