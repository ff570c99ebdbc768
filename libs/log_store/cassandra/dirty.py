"""The tables `dirty` and `dirty_span`: which logs of a shard were written in which window.

Windows are numbered by the owner, not by a clock: (epoch, 1), (epoch, 2) … A log has its row before its first append in a
window is sent. A window ends after a while, and when somebody asks for changes; so what was told never grows.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from libs.cassandra import Session, Statement, read
from libs.log_store.cassandra.durable import all_until_durable, until_durable
from libs.log_store.cassandra.owned import OwnedLog
from libs.log_store.cassandra.vocabulary import Epoch
from libs.log_store.types import LogKey

WINDOW_SECONDS = 60.0
"""How long a window lasts at most: a busy log costs one more write in each."""

WINDOWS_PER_SPAN = 64
"""How many windows share a partition. Part of what is stored: it never changes."""

_BATCH_ROWS = 128  # of names of logs, at about 100 bytes each
_NO_WINDOW = 1 << 62
_POSITION = re.compile(r"(\d{1,18})-(\d{1,18})-((?:[0-9a-f]{2})+)-(.+)", re.ASCII)

WRITE_SPAN = Statement("INSERT INTO ks.dirty_span (shard, epoch, span) VALUES (?, ?, ?) USING TIMESTAMP 1")
WRITE_DIRTY = Statement(
    "INSERT INTO ks.dirty (shard, epoch, span, window, application_id, log_id) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP 1"
)
_SPANS = Statement("SELECT epoch, span FROM ks.dirty_span WHERE shard = ? AND (epoch, span) >= (?, ?)")
NEWEST_SPAN = Statement(
    "SELECT epoch, span FROM ks.dirty_span WHERE shard = ? AND (epoch) <= (?) ORDER BY epoch DESC, span DESC LIMIT 1"
)
_OF_SPAN = "FROM ks.dirty WHERE shard = ? AND epoch = ? AND span = ?"
_NEWEST_WINDOW = Statement(f"SELECT window {_OF_SPAN} ORDER BY window DESC LIMIT 1")
_LOGS_FROM = Statement(f"SELECT application_id, log_id {_OF_SPAN} AND window >= ?")
_DIRTY = Statement(
    f"SELECT window, application_id, log_id {_OF_SPAN} AND (window, application_id, log_id) > (?, ?, ?) AND (window) <= (?) LIMIT ?"
)


class Position(NamedTuple):
    """How far a consumer came in the changes of a shard: all before it, and itself."""

    epoch: int
    window: int
    application_id: str
    log_id: bytes

    @staticmethod
    def parse(text: str) -> "Position":
        """Of `str()` of one; of an empty text: before everything.

        Raises:
            ValueError: it is none.
        """
        if not text:
            return Position(0, 0, "", b"")
        parts = _POSITION.fullmatch(text)
        if parts is None:
            raise ValueError(f"no position of this store: {text!r}")
        epoch, window, log_id, application_id = parts.groups()
        return Position(int(epoch), int(window), application_id, bytes.fromhex(log_id))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.window}-{self.log_id.hex()}-{self.application_id}"


class Windows:
    """The windows of one shard while we own it."""

    def __init__(
        self, session: Session, shard: int, epoch: Epoch, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._shard = shard
        self.epoch = epoch
        self._monotonic = monotonic
        self._window = 0
        """The open one; 0: not known yet."""
        self._opened = 0.0
        self._used = False
        """A log has its row in the open one, or is about to get it."""
        self._span = -1
        """The newest one that has its row."""
        self._appending: Counter[int] = Counter()

    async def begin_append(self, logs: Sequence[OwnedLog]) -> int:
        """Have the rows of logs of this shard be durable before they are appended to. Returns the window of the append."""
        if not self._window:
            await self._find_window()
        if self._used and self._monotonic() - self._opened > WINDOW_SECONDS:
            self._open_next()
        window = self._window
        if not self._used:
            self._used, self._opened = True, self._monotonic()
        self._appending[window] += 1
        missing = [log for log in logs if log.dirty_window < window]
        if missing:
            await self._write_rows(missing, window)
        return window

    def end_append(self, window: int) -> None:
        """All rows of it are durable, and the heads in memory say so."""
        self._appending[window] -= 1
        if not self._appending[window]:
            del self._appending[window]

    async def changes(self, after: Position, limit: int) -> list[tuple[Position, LogKey]]:
        """At most `limit` of the logs of all windows after a position in which nothing is being appended any more.

        A window with appends that are not durable yet is left to the next question: their logs have no heads to tell.
        """
        if not self._window:
            await self._find_window()
        if self._used:
            self._open_next()
        settled = min(self._appending, default=self._window) - 1
        found: list[tuple[Position, LogKey]] = []
        first = after.window // WINDOWS_PER_SPAN
        for epoch, span in await read(self._session, _SPANS, (self._shard, after.epoch, first)):
            if int(epoch or 0) > self.epoch:
                break  # of an owner after us: the barrier that follows finds that out
            start = after[1:] if epoch == after.epoch else (0, "", b"")
            last = settled if epoch == self.epoch else _NO_WINDOW
            values = (self._shard, epoch, span, *start, last, limit - len(found))
            for window, application_id, log_id in await read(self._session, _DIRTY, values):
                key = LogKey(str(application_id), log_id)  # type: ignore[arg-type] # a blob
                found.append((Position(int(epoch or 0), int(window or 0), *key), key))
            if len(found) == limit:
                break
        return found

    def _open_next(self) -> None:
        self._window += 1
        self._used = False

    async def _find_window(self) -> None:
        """The first one of ours: after those of who handed the shard over to us under the same epoch, if so."""
        newest = await until_durable(lambda: _newest_window(self._session, self._shard, self.epoch))
        window = newest[1] + 1 if newest is not None and newest[0] == self.epoch else 1
        self._window = self._window or window

    async def _write_rows(self, logs: Sequence[OwnedLog], window: int) -> None:
        span = window // WINDOWS_PER_SPAN
        place = (self._shard, self.epoch, span)
        if self._span < span:
            await until_durable(lambda: self._session.write(WRITE_SPAN, [place]))
            self._span = max(span, self._span)
        rows = [(*place, window, *log.key) for log in logs]
        batches = [rows[start : start + _BATCH_ROWS] for start in range(0, len(rows), _BATCH_ROWS)]
        await all_until_durable(partial(self._session.write, WRITE_DIRTY, batch) for batch in batches)
        for log in logs:
            log.dirty_window = max(log.dirty_window, window)


async def dirty_logs(session: Session, shard: int, epoch: Epoch) -> set[LogKey]:
    """The logs of the last two windows of a shard up to the epoch before `epoch`, whose marks may be old after a takeover, and of
    this epoch, where the shard was handed over.

    Raises:
        CassandraUnavailable: it could not be read.
    """
    found: set[LogKey] = set()
    for newest in {await _newest_window(session, shard, up_to) for up_to in (Epoch(epoch - 1), epoch)}:
        if newest is None:
            continue
        of_epoch, last = newest
        for span in {window // WINDOWS_PER_SPAN for window in (last - 1, last)}:
            rows = await read(session, _LOGS_FROM, (shard, of_epoch, span, last - 1))
            found.update(LogKey(str(app), log_id) for app, log_id in rows)  # type: ignore[arg-type] # a blob
    return found


async def _newest_window(session: Session, shard: int, epoch: Epoch) -> tuple[int, int] | None:
    """Epoch and number of the newest window of a shard up to an epoch."""
    spans = await read(session, NEWEST_SPAN, (shard, epoch))
    if not spans:
        return None
    ((of_epoch, span),) = spans
    windows = await read(session, _NEWEST_WINDOW, (shard, of_epoch, span))
    # a span is written before its first row, which may never have come
    window = int(windows[0][0] or 0) if windows else int(span or 0) * WINDOWS_PER_SPAN
    return int(of_epoch or 0), window
