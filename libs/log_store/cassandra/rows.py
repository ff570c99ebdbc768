"""The table `log`. The cells of a row carry its epoch and its seq as their timestamp, whoever writes it and how often."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from functools import partial

from libs.cassandra import Session, Statement, Values, read
from libs.log_store.bodies import redacted
from libs.log_store.cassandra.durable import until_durable
from libs.log_store.cassandra.vocabulary import NO_EPOCH, ROWS_PER_BUCKET, Chain, Epoch, EpochRow, bucket, timestamp
from libs.log_store.errors import LogDamaged
from libs.log_store.types import Kind, LogKey, LogPosition, Millis, Redaction, Row, SendId, Sent, Seq

_ROW = "seq, epoch, kind, time_ms, message_count, policy_version, sender_user_id, client_id, digest, event, target_seq"
_SENT = "seq, epoch, time_ms, kind, sender_user_id, client_id, digest, target_seq"
_OF_BUCKET = "FROM ks.log WHERE application_id = ? AND log_id = ? AND bucket = ?"
_RANGE = f"{_OF_BUCKET} AND seq >= ? AND seq <= ?"
_BACKWARD = " ORDER BY seq DESC, epoch DESC"

WRITE_ROWS = Statement(
    f"INSERT INTO ks.log (application_id, log_id, bucket, {_ROW}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "USING TIMESTAMP ?"
)
WRITE_REDACTION = Statement(
    "INSERT INTO ks.log (application_id, log_id, bucket, seq, epoch, digest, event, deletion_seq) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
)
ERASE = Statement(
    "DELETE FROM ks.log USING TIMESTAMP ? WHERE application_id = ? AND log_id = ? AND bucket = ? AND seq >= ?"
)
_READ_FORWARD = Statement(f"SELECT {_ROW}, deletion_seq {_RANGE}")
_READ_BACKWARD = Statement(f"SELECT {_ROW}, deletion_seq {_RANGE}{_BACKWARD}")
_READ_SENT = Statement(f"SELECT {_SENT} {_RANGE}")
_ARE_THERE = Statement(
    "SELECT log_id, seq FROM ks.log WHERE application_id = ? AND log_id IN ? AND bucket = ? AND seq IN ?"
)

MAX_ROWS_AHEAD = 2 * ROWS_PER_BUCKET
"""Of one log, that may be written before a barrier is passed. A flush of message_store has half as many."""

_GHOST_BUCKETS = 1 + MAX_ROWS_AHEAD // ROWS_PER_BUCKET
"""In so many, from that of a takeover on, whoever was taken over may have rows."""

_BATCH_BYTES = 48 * 1024  # with keys and column names below 64 KiB, where Cassandra is told to warn
_ROW_BYTES = 200  # of a row beside its event
_PAGE_ROWS = 256  # at 256 KiB an event at most
_SENT_PAGE_ROWS = 2_000  # at 200 bytes each
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
    event, epoch, _ = row
    return (*log, bucket(event.seq), event.seq, epoch, int(event.kind), *event[2:], timestamp(epoch, event.seq))


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
) -> list[EpochRow]:
    """The valid rows from `first` to `last`, all of them there; with limits as in LogStore.read.

    Raises:
        LogDamaged: one is not there.
        CassandraUnavailable: they could not be read.
    """
    found: list[EpochRow] = []
    size = 0
    expected = last if backward else first
    async for row in _rows(session, log, chain, first, last, page_rows=min(limit + 1, _PAGE_ROWS), backward=backward):
        seq = row.row.seq
        if seq != expected:
            break
        found.append(row)
        size += len(row.row.event)
        if len(found) == limit or size >= max_bytes or seq == (first if backward else last):
            return found[::-1] if backward else found
        expected = Seq(seq - 1 if backward else seq + 1)
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
    found = [sent async for sent in _sent(session, log, chain, first, last)]
    if len(found) != max(last - first + 1, 0):
        raise LogDamaged(log, first)
    return found


async def find_sent(
    session: Session, log: LogKey, chain: Chain, sends: Collection[SendId], first: Seq, last: Seq
) -> list[Sent]:
    """As LogStore.find_sent."""
    rows = _sent(session, log, chain, first, last)
    return [sent async for sent in rows if (sent.sender_user_id, sent.client_id) in sends]


async def are_there(session: Session, places: Sequence[LogPosition]) -> set[LogKey]:
    """The logs of which there is a row at their place, be it a ghost; each log has one place. One request costs far less than
    as many."""
    by_partition: defaultdict[tuple[str, int], list[LogPosition]] = defaultdict(list)
    for place in places:
        by_partition[place.log.application_id, bucket(place.seq)].append(place)
    found: set[LogPosition] = set()
    for (application_id, number), of_partition in by_partition.items():
        log_ids = tuple(place.log.log_id for place in of_partition)
        seqs = tuple({place.seq for place in of_partition})
        for log_id, seq in await read(session, _ARE_THERE, (application_id, log_ids, number, seqs)):
            found.add(LogPosition(LogKey(application_id, log_id), Seq(seq)))  # type: ignore[arg-type] # the columns are such
    return {place.log for place in places if place in found}


async def redact(session: Session, log: LogKey, chain: Chain, redaction: Redaction) -> None:
    """Blank rows, durable on return. They are read for it, at their keys and with what is to stay in them.

    The cells carry the timestamp of the deletion, so that no rewrite of the rows, however late, brings anything back.
    """
    deleted_at = timestamp(chain.valid_epoch(redaction.deletion_seq), redaction.deletion_seq)

    async def blank(seq: Seq) -> None:
        (found,) = await until_durable(
            lambda: read_rows(session, log, chain, seq, seq, limit=1, max_bytes=_BATCH_BYTES)
        )
        place = (*log, bucket(seq), seq, found.epoch)
        blanked = (b"", redacted(found.row.event), redaction.deletion_seq)
        await until_durable(lambda: session.write(WRITE_REDACTION, [(*place, *blanked, deleted_at)]))

    async with asyncio.TaskGroup() as tasks:
        for seq in redaction.seqs:
            tasks.create_task(blank(seq))


async def erase_ghosts(session: Session, log: LogKey, chain: Chain) -> None:
    """Erase what older epochs wrote where a newer one had begun, or will write there: durable on return.

    What was on its way when its owner was taken over may arrive at any later time. Each erasure is older than all that its own
    epoch writes, and newer than all before. To be called after a barrier that began when the chain had been read: no takeover comes
    to another chain then, so nobody has adopted, or will, what this erases. A chain that was read later may end with a seal of
    which that is not known.
    """
    async with asyncio.TaskGroup() as tasks:
        for epoch, seal in chain.links:
            if seal.previous == NO_EPOCH:
                continue
            first = bucket(seal.start)
            for number in range(first, first + _GHOST_BUCKETS):
                values = (timestamp(epoch, Seq(0)), *log, number, seal.start)
                tasks.create_task(until_durable(partial(session.write, ERASE, [values])))


async def _sent(session: Session, log: LogKey, chain: Chain, first: Seq, last: Seq) -> AsyncIterator[Sent]:
    for low, high in by_bucket(first, last):
        values = (log.application_id, log.log_id, bucket(low), low, high)
        async for page in session.pages(_READ_SENT, values, _SENT_PAGE_ROWS):
            for sent in map(partial(_valid_sent, chain), page):
                if sent is not None:
                    yield sent


async def _rows(
    session: Session, log: LogKey, chain: Chain, first: Seq, last: Seq, *, page_rows: int, backward: bool
) -> AsyncIterator[EpochRow]:
    ranges = list(by_bucket(first, last))
    for low, high in reversed(ranges) if backward else ranges:
        values = (log.application_id, log.log_id, bucket(low), low, high)
        async for page in session.pages(_READ_BACKWARD if backward else _READ_FORWARD, values, page_rows):
            for row in map(_epoch_row, page):
                if row.epoch == chain.valid_epoch(row.row.seq):
                    yield row


def by_bucket(first: Seq, last: Seq) -> Iterator[tuple[Seq, Seq]]:
    while first <= last:
        end = Seq(min(last, _last_of(bucket(first))))
        yield first, end
        first = Seq(end + 1)


def _last_of(number: int) -> Seq:
    return Seq((number + 1) * ROWS_PER_BUCKET - 1)


def _epoch_row(values: Values) -> EpochRow:
    seq, epoch, kind, time_ms, *rest, target_seq, deletion_seq = values
    row = Row(Seq(seq), _KINDS[kind], Millis(time_ms), *rest, target_seq or 0)  # type: ignore[arg-type,call-arg,index] # the columns are such
    return EpochRow(row, Epoch(epoch), Seq(deletion_seq or 0))  # type: ignore[arg-type]


def _valid_sent(chain: Chain, values: Values) -> Sent | None:
    seq, epoch, time_ms, kind, *rest, target_seq = values
    if epoch != chain.valid_epoch(Seq(seq)):  # type: ignore[arg-type]
        return None
    return Sent(Seq(seq), Millis(time_ms), _KINDS[kind], *rest, target_seq or 0)  # type: ignore[arg-type,call-arg,index]
