"""Reads from the database: mark, chain and rows, by a takeover, by a reader of history and by a consumer.

Readings taken:
- A chain whose link names a seal that the answer does not hold is read again. A correct protocol shows one too: the two
  replicas of a QUORUM read answer at two moments, and between them the seal linked to may have become durable and the
  newer one been written. What makes this end is that the seal linked to was durable before its link was written.
- A reader of history may be any process; it needs no owner and no barrier, only the order mark, chain, rows.
"""

from collections.abc import Mapping

from tests.model.process import World
from tests.model.replicas import Cell
from tests.model.vocabulary import (
    NO_EPOCH,
    CellKey,
    CellValue,
    Chain,
    Column,
    Epoch,
    Event,
    InvariantError,
    LogId,
    Row,
    Seal,
    Seq,
    Steps,
    bucket,
)

CHAIN_READS = 8  # so many broken answers in a row are no coincidence


def read_mark(world: World, log: LogId) -> Steps[Seq]:
    """The stored mark; 0 if there is none."""
    cells = yield from world.network.read(world.tables.log_mark, log)
    return cells[None][1] if cells else 0


def read_chain(world: World, log: LogId) -> Steps[Chain]:
    for _ in range(CHAIN_READS):
        seals = yield from world.network.read(world.tables.log_epoch, log)
        chain = chain_of(seals, linked=world.protocol.chain_linked)
        if chain is not None:
            return chain
    raise InvariantError("I1", f"log {log}: the chain names a seal that no read shows")


def chain_of(seals: Mapping[Epoch, Cell[Seal]], *, linked: bool = True) -> Chain | None:
    """Follow the links from the newest epoch back. None if a seal on the way is missing."""
    if not linked:
        return Chain([(epoch, seals[epoch][1]) for epoch in sorted(seals)])
    links: list[tuple[Epoch, Seal]] = []
    epoch = max(seals, default=NO_EPOCH)
    while epoch != NO_EPOCH:
        if epoch not in seals:
            return None
        seal = seals[epoch][1]
        if seal.previous >= epoch:
            raise InvariantError("I1", f"the chain runs in a circle from epoch {epoch} to {seal.previous}")
        links.append((epoch, seal))
        epoch = seal.previous
    return Chain(links[::-1])


def text_cell(cells: Mapping[CellKey, Cell[CellValue]], seq: Seq, epoch: Epoch, column: Column) -> str:
    cell = cells.get((seq, epoch, column))
    return str(cell[1]) if cell else ""


def row_of(cells: Mapping[CellKey, Cell[CellValue]], seq: Seq, epoch: Epoch) -> Row | None:
    """The row under this key, with its overlays; None where there is no event (an overlay alone is no row)."""
    cell = cells.get((seq, epoch, "event"))
    if cell is None or not isinstance(cell[1], Event):
        return None
    body = text_cell(cells, seq, epoch, "body")
    edited = text_cell(cells, seq, epoch, "edited")
    edits = tuple(map(int, text_cell(cells, seq, epoch, "edits").split()))
    return Row(seq, epoch, cell[1], body, edited, (seq, epoch, "deleted") in cells, edits)


def read_rows(world: World, log: LogId, chain: Chain, last: Seq) -> Steps[list[Row]]:
    """All rows from 1 to `last`, each of its valid epoch. There can be no hole."""
    rows: list[Row] = []
    for number in range(bucket(last) + 1):
        cells = yield from world.network.read(world.tables.log, (log, number))
        for seq in range(len(rows) + 1, last + 1):
            if bucket(seq) != number:
                break
            row = row_of(cells, seq, chain.valid_epoch(seq))
            if row is None:
                raise InvariantError("I1", f"log {log} has a hole at {seq}, below {last}")
            rows.append(row)
    return rows


def read_run(world: World, log: LogId, epoch: Epoch, first: Seq) -> Steps[list[Row]]:
    """The contiguous run of rows of one epoch from `first`, across buckets."""
    run: list[Row] = []
    while True:
        number = bucket(first + len(run))
        cells = yield from world.network.read(world.tables.log, (log, number))
        while bucket(seq := first + len(run)) == number:
            row = row_of(cells, seq, epoch)
            if row is None:
                return run
            run.append(row)


def read_history(world: World, log: LogId) -> Steps[None]:
    """A page of history from the database, and the check of what it showed."""
    expected = world.checker.expectation(log)
    if world.protocol.mark_before_chain:
        mark = yield from read_mark(world, log)
        chain = yield from read_chain(world, log)
    else:
        chain = yield from read_chain(world, log)
        mark = yield from read_mark(world, log)
    rows = yield from read_rows(world, log, chain, mark)
    if not world.protocol.history_below_mark and chain.links:
        rows += yield from read_run(world, log, chain.newest(), max(chain.start(), mark + 1))
    world.checker.history_read(log, rows, expected)


def read_changes(world: World) -> Steps[None]:
    """A consumer asks which logs were written in the present window, which it will ask again until it is over."""
    window = world.window()
    expected = world.checker.written_in(window)
    dirty = yield from world.network.read(world.tables.dirty, window)
    world.checker.consumed(window, dirty, expected)
