"""The table `log_overlay`. An overlay carries the seq of its newest event as its timestamp: that one wins for ever."""

from libs.cassandra import Session, Statement
from libs.log_store.bodies import redacted
from libs.log_store.cassandra.durable import until_durable
from libs.log_store.cassandra.rows import by_bucket, read_rows
from libs.log_store.cassandra.vocabulary import Chain, EpochRow, bucket
from libs.log_store.types import Entry, LogKey, Overlay, Seq

WRITE_OVERLAY = Statement(
    "INSERT INTO ks.log_overlay (application_id, log_id, bucket, seq, deleted, state) VALUES (?, ?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_READ = Statement(
    "SELECT seq, deleted, state FROM ks.log_overlay "
    "WHERE application_id = ? AND log_id = ? AND bucket = ? AND seq >= ? AND seq <= ?"
)
_PAGE_ROWS = 64  # at 200 KB at most


async def write_overlay(session: Session, log: LogKey, overlay: Overlay) -> None:
    """Write an overlay, or write it again: durable on return."""
    values = (*log, bucket(overlay.seq), overlay.seq, overlay.deleted, overlay.state, overlay.as_of_seq)
    await until_durable(lambda: session.write(WRITE_OVERLAY, [values]))


async def read_entries(
    session: Session,
    log: LogKey,
    chain: Chain,
    first: Seq,
    last: Seq,
    *,
    limit: int,
    max_bytes: int,
    backward: bool = False,
) -> list[Entry]:
    """The valid rows of a range with their states, as LogStore.read.

    The rows are read first: a deletion's overlay is durable before it blanks, so that no blanked row comes without its state.

    Raises:
        LogDamaged: a row is not there.
        CassandraUnavailable: they could not be read.
    """
    found = await read_rows(session, log, chain, first, last, limit=limit, max_bytes=max_bytes, backward=backward)
    if not found:
        return []
    states: dict[Seq, tuple[bool, bytes]] = {}
    for low, high in by_bucket(found[0].row.seq, found[-1].row.seq):
        values = (log.application_id, log.log_id, bucket(low), low, high)
        async for page in session.pages(_READ, values, _PAGE_ROWS):
            states.update((seq, (deleted, state)) for seq, deleted, state in page)  # type: ignore[misc] # the columns are such
    entries = [_entry(row, *states.get(row.row.seq, (False, b""))) for row in found]
    return _cut(entries, max_bytes, backward=backward) if states else entries


def _entry(row: EpochRow, deleted: bool, state: bytes) -> Entry:
    if deleted and not row.deletion_seq:  # the blanking is on its way
        return Entry(row.row._replace(event=redacted(row.row.event), digest=b""), row.deletion_seq, state)
    return Entry(row.row, row.deletion_seq, state)


def _cut(entries: list[Entry], max_bytes: int, *, backward: bool) -> list[Entry]:
    """As many as reach `max_bytes` with their states."""
    size = 0
    for count, entry in enumerate(reversed(entries) if backward else entries, start=1):
        size += len(entry.row.event) + len(entry.state)
        if size >= max_bytes:
            return entries[-count:] if backward else entries[:count]
    return entries
