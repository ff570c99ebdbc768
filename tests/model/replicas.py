"""Three replicas and the network before them: QUORUM reads and writes of the tables of §4, and the LWT shard row.

Readings taken:
- A QUORUM read asks two replicas at two different moments, and its answer arrives later still. Nothing repairs on read.
- A batch to one partition lands on a replica as a whole.
- An acknowledgement counts for the attempt it answers: a repeated write starts with none.
- On equal timestamps the greater value wins, as in Cassandra.
- A CAS that timed out may be applied at any later moment, even after a SERIAL read that did not see it.
"""

from collections.abc import Callable, Hashable, Mapping
from enum import Enum
from functools import partial
from random import Random
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from tests.model.protocol import Protocol
from tests.model.schedule import Schedule
from tests.model.vocabulary import (
    NO_EPOCH,
    CellKey,
    CellValue,
    Epoch,
    Incarnation,
    InvariantError,
    LogId,
    Seal,
    Seq,
    Steps,
    Timestamp,
    Window,
)

REPLICAS = (0, 1, 2)
QUORUM = 2
QUORUMS = ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))

P = TypeVar("P", bound=Hashable)
K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)
Cell: TypeAlias = tuple[Timestamp, V]


def wins(cell: Cell[V], held: Cell[V]) -> bool:
    if cell[0] != held[0]:
        return cell[0] > held[0]
    return cell[1] != held[1] and str(cell[1]) > str(held[1])


def merge_into(held: dict[K, Cell[V]], cells: Mapping[K, Cell[V]]) -> None:
    for key, cell in cells.items():
        if key not in held or wins(cell, held[key]):
            held[key] = cell


class Table(Generic[P, K, V]):
    """One table as the replicas hold it: partition, key in the partition, cell."""

    def __init__(
        self, name: str, visible: Callable[[dict[K, Cell[V]]], dict[K, Cell[V]]] = lambda cells: cells
    ) -> None:
        """`visible`: what a reader is shown of what replicas hold."""
        self.name = name
        self.visible = visible
        self.copies: tuple[dict[P, dict[K, Cell[V]]], ...] = tuple({} for _ in REPLICAS)

    def land(self, partition: P, cells: Mapping[K, Cell[V]], replica: int) -> None:
        merge_into(self.copies[replica].setdefault(partition, {}), cells)

    def held_by(self, replicas: tuple[int, ...], partition: P) -> dict[K, Cell[V]]:
        """What a reader of these replicas sees at one moment."""
        cells: dict[K, Cell[V]] = {}
        for replica in replicas:
            merge_into(cells, self.copies[replica].get(partition, {}))
        return self.visible(cells)


def not_erased(cells: dict[CellKey, Cell[CellValue]]) -> dict[CellKey, Cell[CellValue]]:
    """Without what range deletions cover: what is as old as they are, or older, from their seq on."""
    erased = [(seq, cell[0]) for (seq, _, column), cell in cells.items() if column == "erased"]
    if not erased:
        return cells
    return {
        key: cell
        for key, cell in cells.items()
        if key[2] != "erased" and not any(key[0] >= seq and cell[0] <= timestamp for seq, timestamp in erased)
    }


class Write:
    """A write of one partition, repeated identically until one attempt is acknowledged by a quorum."""

    __slots__ = ("acks", "attempt", "land", "looks", "table")

    def __init__(self, table: str, land: "partial[None]") -> None:
        self.table = table
        self.land = land  # takes the replica
        self.attempt = 0
        self.acks = 0
        self.looks = 0

    def durable(self) -> bool:
        return self.acks >= QUORUM

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.table, *self.land.args))


class Network:
    """Brings writes to replicas soon, late or never, in any order."""

    def __init__(self, rng: Random, schedule: Schedule, note: Callable[[str], None] | None = None) -> None:
        self.random = rng.random
        self.schedule = schedule
        self.note = note
        self.soon: list[tuple[Write, int, int]] = []  # write, attempt, replica
        self.late: list[tuple[Write, int, int]] = []

    def write(self, table: Table[P, K, V], partition: P, cells: Mapping[K, Cell[V]]) -> Write:
        write = Write(table.name, partial(table.land, partition, cells))
        self.send(write)
        return write

    def send(self, write: Write) -> None:
        write.attempt += 1
        write.acks = write.looks = 0
        late_from, lost_from = self.schedule.write_soon, self.schedule.write_soon + self.schedule.write_late
        for replica in REPLICAS:
            chance = self.random()
            if chance < late_from:
                self.soon.append((write, write.attempt, replica))
            elif chance < lost_from:
                self.late.append((write, write.attempt, replica))

    def look(self, write: Write) -> bool:
        """True once the write is durable; one that was looked at too often has timed out and is repeated."""
        if write.acks >= QUORUM:
            return True
        write.looks += 1
        if write.looks > self.schedule.patience:
            self.send(write)
        return False

    def deliver(self) -> None:
        queue = self.late if self.late and self.random() < self.schedule.late_lands else self.soon
        if queue:
            self.deliver_from(queue)

    def deliver_from(self, queue: list[tuple[Write, int, int]]) -> None:
        index = int(self.random() * len(queue))
        queue[index], queue[-1] = queue[-1], queue[index]
        write, attempt, replica = queue.pop()
        write.land(replica)
        if attempt == write.attempt:
            write.acks += 1
        if self.note:
            self.note(f"replica {replica} gets {write}{' late' if queue is self.late else ''}")

    def deliver_all(self) -> None:
        for queue in (self.soon, self.late):
            while queue:
                self.deliver_from(queue)

    def read(self, table: Table[P, K, V], partition: P) -> Steps[dict[K, Cell[V]]]:
        """Read at QUORUM."""
        first, second = QUORUMS[int(self.random() * len(QUORUMS))]
        cells = table.copies[first].get(partition, {}).copy()
        yield
        merge_into(cells, table.copies[second].get(partition, {}))
        yield
        return table.visible(cells)


class Tables:
    """The tables of §4 other than `shard`. One shard is modelled, so it is in no key."""

    def __init__(self) -> None:
        self.fence: Table[Incarnation, None, bool] = Table("fence")
        self.log_epoch: Table[LogId, Epoch, Seal] = Table("log_epoch")
        self.log: Table[tuple[LogId, int], CellKey, CellValue] = Table("log", not_erased)
        self.log_mark: Table[LogId, None, Seq] = Table("log_mark")
        self.dirty: Table[Window, LogId, bool] = Table("dirty")


class Ownership(NamedTuple):
    epoch: Epoch
    owner: Incarnation | None


class CasAnswer(Enum):
    APPLIED = "applied"
    REFUSED = "refused"
    UNCLEAR = "unclear"  # it timed out: applied, not applied, or still to be applied


class ShardRow:
    """The row of `shard`, changed by LWT only."""

    def __init__(self, rng: Random, schedule: Schedule, protocol: Protocol) -> None:
        self.random = rng.random
        self.schedule = schedule
        self.protocol = protocol
        self.now = Ownership(NO_EPOCH, None)
        self.late: list[tuple[Ownership, Ownership]] = []
        self.taken_over: set[Epoch] = set()
        self.handovers = 0

    def apply(self, expected: Ownership, new: Ownership) -> bool:
        epoch_holds = expected.epoch == self.now.epoch or not self.protocol.cas_on_epoch
        owner_holds = expected.owner == self.now.owner or not self.protocol.cas_on_owner
        if epoch_holds and owner_holds:
            if new.epoch != expected.epoch and new.epoch in self.taken_over:
                raise InvariantError("§4", f"epoch {new.epoch} counts two takeovers, the second by process {new.owner}")
            self.taken_over.add(new.epoch)
            self.handovers += new.epoch == expected.epoch
            self.now = new
        return epoch_holds and owner_holds

    def apply_a_late_one(self) -> None:
        """Any of them or, as an adversary would have it, one that meets the owner that it expects."""
        late = self.late
        if self.random() < self.schedule.late_cas_meets_owner:
            late = [cas for cas in self.late if cas[0].owner == self.now.owner]
        if late:
            cas = late[int(self.random() * len(late))]
            self.late.remove(cas)
            self.apply(*cas)

    def compare_and_set(self, expected: Ownership, new: Ownership) -> Steps[CasAnswer]:
        schedule, chance = self.schedule, self.random()
        yield from self.on_the_way()
        answer = CasAnswer.UNCLEAR
        if chance < schedule.cas_clear:
            answer = CasAnswer.APPLIED if self.apply(expected, new) else CasAnswer.REFUSED
        elif chance < schedule.cas_clear + schedule.cas_answer_lost:
            self.apply(expected, new)
        elif chance < schedule.cas_clear + schedule.cas_answer_lost + schedule.cas_late:
            self.late.append((expected, new))
        yield from self.on_the_way()
        return answer

    def on_the_way(self) -> Steps[None]:
        for _ in range(1 + int(self.random() * self.schedule.cas_steps)):
            yield

    def serial_read(self) -> Steps[Ownership]:
        yield
        return self.now
