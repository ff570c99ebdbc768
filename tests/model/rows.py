"""Writes to the table `log`. No cell carries a clock's time, but the epoch and the seq of the event that it follows from."""

from tests.model.process import Process
from tests.model.replicas import Cell, Write
from tests.model.vocabulary import NO_EPOCH, CellKey, CellValue, Chain, Column, LogId, Row, bucket, timestamp

GHOST_BUCKETS = (
    12  # into which an owner may have written ahead of its barrier: three in Cassandra, where a flush is bounded
)


def write_rows(process: Process, log: LogId, rows: list[Row]) -> Write:
    """One unlogged single-partition batch: rows of one bucket, written first or repaired."""
    cells: dict[CellKey, Cell[CellValue]] = {}
    for row in rows:
        timestamp = process.timestamp(row)
        cells[row.seq, row.epoch, "event"] = (timestamp, row.event)
        cells[row.seq, row.epoch, "body"] = (timestamp, row.body)
    return process.world.network.write(process.world.tables.log, (log, bucket(rows[0].seq)), cells)


def write_overlay(process: Process, log: LogId, row: Row, columns: dict[Column, CellValue], cause: Row) -> Write:
    """Columns beside `row` that follow from the event of the row `cause`."""
    timestamp = process.timestamp(cause)
    cells = {(row.seq, row.epoch, column): (timestamp, value) for column, value in columns.items()}
    return process.world.network.write(process.world.tables.log, (log, bucket(row.seq)), cells)


def erase_ghosts(process: Process, log: LogId, chain: Chain) -> list[Write]:
    """Range deletions of what older epochs wrote, or will have written, where a newer one had begun: each is older than all of
    its own epoch's rows. To be written when no takeover can come to another chain: after a barrier."""
    writes: list[Write] = []
    for epoch, seal in chain.links:
        if seal.previous != NO_EPOCH:
            for number in range(bucket(seal.start), bucket(seal.start) + GHOST_BUCKETS):
                cell = (timestamp(epoch, 0), "erased")
                partition = (log, number)
                writes.append(
                    process.world.network.write(
                        process.world.tables.log, partition, {(seal.start, epoch, "erased"): cell}
                    )
                )
    return writes
