"""Writes to the table `log`. No cell carries a clock's time: a row carries its seq, an overlay the seq of its event."""

from tests.model.process import Process
from tests.model.replicas import Cell, Write
from tests.model.vocabulary import CellKey, CellValue, Column, LogId, Row, Seq, bucket


def write_rows(process: Process, log: LogId, rows: list[Row]) -> Write:
    """One unlogged single-partition batch: rows of one bucket, written first or repaired."""
    cells: dict[CellKey, Cell[CellValue]] = {}
    for row in rows:
        timestamp = process.timestamp(row.seq)
        cells[row.seq, row.epoch, "event"] = (timestamp, row.event)
        cells[row.seq, row.epoch, "body"] = (timestamp, row.body)
    return process.world.network.write(process.world.tables.log, (log, bucket(rows[0].seq)), cells)


def write_overlay(process: Process, log: LogId, row: Row, columns: dict[Column, CellValue], seq: Seq) -> Write:
    """Columns beside `row` that follow from the event at `seq`."""
    timestamp = process.timestamp(seq)
    cells = {(row.seq, row.epoch, column): (timestamp, value) for column, value in columns.items()}
    return process.world.network.write(process.world.tables.log, (log, bucket(row.seq)), cells)
