"""The table `log`. The cells of a row carry its seq as their timestamp, whoever writes it and how often."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from functools import partial

from libs.cassandra import Session, Statement, Values, read
from libs.log_store.cassandra.vocabulary import ROWS_PER_BUCKET, Chain, Epoch, EpochRow, bucket
from libs.log_store.errors import LogDamaged
from libs.log_store.types import Kind, LogKey, Millis, Row, Sent, Seq

_ROW = "seq, epoch, kind, time_ms, message_count, policy_version, sender_user_id, client_id, digest, event"
_SENT = "seq, epoch, time_ms, kind, sender_user_id, client_id, digest"
_OF_BUCKET = "FROM ks.log WHERE application_id = ? AND log_id = ? AND bucket = ?"
_RANGE = f"{_OF_BUCKET} AND seq >= ? AND seq <= ?"
_BACKWARD = " ORDER BY seq DESC, epoch DESC"

WRITE_ROWS = Statement(
    f"INSERT INTO ks.log (application_id, log_id, bucket, {_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "USING TIMESTAMP ?"
)
_READ_FORWARD = Statement(f"SELECT {_ROW} {_RANGE}")
_READ_BACKWARD = Statement(f"SELECT {_ROW} {_RANGE}{_BACKWARD}")
_READ_SENT = Statement(f"SELECT {_SENT} {_RANGE}")
_FIND_SENT = Statement(f"SELECT {_SENT} {_RANGE} AND sender_user_id = ? AND client_id = ? ALLOW FILTERING")
_IS_THERE = Statement(f"SELECT seq {_OF_BUCKET} AND seq = ? LIMIT 1")

_BATCH_BYTES = 48 * 1024  # with keys and column names below 64 KiB, where Cassandra is told to warn
_ROW_BYTES = 200  # of a row beside its event
_PAGE_ROWS = 256  # at 256 KiB an event at most
_KINDS = {kind.value: kind for kind in Kind}


def writes(session: Session, log: LogKey, rows: Sequence[EpochRow]) -> list[Callable[[], Coroutine[None, None, None]]]:
    """What writes rows of a log, first or again: unlogged batches of one partition each."""
    return [partial(session.write, WRITE_ROWS, [_values(log, row) for row in batch]) for batch in _batches(rows)]


def _batches(rows: Sequence[EpochRow]) -> Iterator[list[EpochRow]]:
    batch: list[EpochRow] = []
    size = 0
    for row in rows:
        row_bytes = len(row.row.event) + _ROW_BYTES
        if batch and (size + row_bytes > _BATCH_BYTES or bucket(row.row.seq) != bucket(batch[0].row.seq)):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row_bytes
    if batch:
        yield batch


def _values(log: LogKey, row: EpochRow) -> Values:
    event, epoch = row
    return (*log, bucket(event.seq), event.seq, epoch, int(event.kind), *event[2:], event.seq)


async def read_rows(
    session: Session,
    log: LogKey,
    chain: Chain,
    first: Seq,
    last: Seq,
    *,
    limit: int,
    max_bytes: int,
    backward: bool = False,
) -> list[Row]:
    """The valid rows from `first` to `last`, all of them there; with limits as in LogStore.read.

    Raises:
        LogDamaged: one is not there.
        CassandraUnavailable: they could not be read.
    """
    found: list[Row] = []
    size = 0
    expected = last if backward else first
    async for row in _rows(session, log, chain, first, last, page_rows=min(limit + 1, _PAGE_ROWS), backward=backward):
        if row.seq != expected:
            break
        found.append(row)
        size += len(row.event)
        if len(found) == limit or size >= max_bytes or row.seq == (first if backward else last):
            return found[::-1] if backward else found
        expected = Seq(row.seq - 1 if backward else row.seq + 1)
    if first > last or limit < 1:
        return []
    raise LogDamaged(log, expected)


async def read_run(session: Session, log: LogKey, epoch: Epoch, first: Seq) -> list[EpochRow]:
    """The contiguous run of rows of one epoch from `first`, across buckets."""
    run: list[EpochRow] = []
    while True:
        number = bucket(Seq(first + len(run)))
        values = (log.application_id, log.log_id, number, first + len(run), _last_of(number))
        before = len(run)
        async for page in session.pages(_READ_FORWARD, values, _PAGE_ROWS):
            for row in map(_epoch_row, page):
                if row.epoch == epoch and row.row.seq == first + len(run):
                    run.append(row)
        if len(run) == before or bucket(Seq(first + len(run))) == number:
            return run


async def read_sent(session: Session, log: LogKey, chain: Chain, first: Seq, last: Seq) -> list[Sent]:
    """What is remembered of the rows from `first` to `last`."""
    found: list[Sent] = []
    for low, high in _by_bucket(first, last):
        values = (log.application_id, log.log_id, bucket(low), low, high)
        found += [sent for sent in map(partial(_valid_sent, chain), await read(session, _READ_SENT, values)) if sent]
    if len(found) != max(last - first + 1, 0):
        raise LogDamaged(log, first)
    return found


async def find_sent(
    session: Session, log: LogKey, chain: Chain, sender_user_id: str, client_id: str, first: Seq, last: Seq
) -> Sent | None:
    for low, high in _by_bucket(first, last):
        values = (log.application_id, log.log_id, bucket(low), low, high, sender_user_id, client_id)
        for sent in map(partial(_valid_sent, chain), await read(session, _FIND_SENT, values)):
            if sent is not None:
                return sent
    return None


async def is_there(session: Session, log: LogKey, seq: Seq) -> bool:
    """Whether there is a row at a seq, be it a ghost."""
    return bool(await read(session, _IS_THERE, (log.application_id, log.log_id, bucket(seq), seq)))


async def _rows(
    session: Session, log: LogKey, chain: Chain, first: Seq, last: Seq, *, page_rows: int, backward: bool
) -> AsyncIterator[Row]:
    ranges = list(_by_bucket(first, last))
    for low, high in reversed(ranges) if backward else ranges:
        values = (log.application_id, log.log_id, bucket(low), low, high)
        async for page in session.pages(_READ_BACKWARD if backward else _READ_FORWARD, values, page_rows):
            for row, epoch in map(_epoch_row, page):
                if epoch == chain.valid_epoch(row.seq):
                    yield row


def _by_bucket(first: Seq, last: Seq) -> Iterator[tuple[Seq, Seq]]:
    while first <= last:
        end = Seq(min(last, _last_of(bucket(first))))
        yield first, end
        first = Seq(end + 1)


def _last_of(number: int) -> Seq:
    return Seq((number + 1) * ROWS_PER_BUCKET - 1)


def _epoch_row(values: Values) -> EpochRow:
    seq, epoch, kind, time_ms, *rest = values
    row = Row(Seq(seq), _KINDS[kind], Millis(time_ms), *rest)  # type: ignore[arg-type,index] # the columns are such
    return EpochRow(row, Epoch(epoch))  # type: ignore[arg-type]


def _valid_sent(chain: Chain, values: Values) -> Sent | None:
    seq, epoch, time_ms, kind, *rest = values
    if epoch != chain.valid_epoch(Seq(seq)):  # type: ignore[arg-type]
        return None
    return Sent(Seq(seq), Millis(time_ms), _KINDS[kind], *rest)  # type: ignore[arg-type,index]
