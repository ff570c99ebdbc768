"""A message-store process: what its parts for the shards share, their quorum writes and the barrier."""

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from tests.model.checker import Checker, Expectation, Operation
from tests.model.protocol import Protocol
from tests.model.replicas import Network, ShardRow, Tables, Write
from tests.model.schedule import Schedule
from tests.model.vocabulary import (
    Chain,
    ClientId,
    Epoch,
    ExitError,
    Incarnation,
    LogId,
    Row,
    Seq,
    ShardId,
    Steps,
    Timestamp,
    Window,
    timestamp,
)

CLOCK_ERROR = 300  # in ticks, only looked at where seq timestamps are removed


@dataclass(slots=True)
class World:
    """What all processes and readers share: the database, the chances, the checker."""

    rng: Random
    schedule: Schedule
    protocol: Protocol
    checker: Checker
    network: Network
    shards: dict[ShardId, ShardRow]
    tables: Tables = field(default_factory=Tables)
    tick: int = 0
    tracing: bool = False

    def window(self) -> Window:
        return self.tick // self.schedule.window_ticks


@dataclass(slots=True)
class Pending:
    """An operation that has a seq and is not yet below the high-water mark."""

    operation: Operation
    seq: Seq
    window: Window = 0
    write: Write | None = None  # none before its flush


@dataclass(slots=True)
class DueOverlays:
    """The overlays of an edit or deletion below the high-water mark, until they are durable."""

    pending: Pending
    writes: list[Write] = field(default_factory=list)


@dataclass(slots=True)
class LogMemory:
    """An owner's memory of one log that it serves."""

    log: LogId
    high_water: Seq
    next_seq: Seq
    remembered_from: Seq  # client ids of lower seqs are found only by a scan from an after_seq
    chain: Chain
    rows: dict[Seq, Row]
    seq_of: dict[ClientId, Seq]
    deleted: set[Seq]  # targets of deletions that have a seq
    unflushed: list[Pending] = field(default_factory=list)
    in_flight: dict[Seq, Pending] = field(default_factory=dict)
    due_overlays: dict[Seq, DueOverlays] = field(default_factory=dict)
    undurable_overlays: set[Seq] = field(default_factory=set)  # edits and deletions, from their admission on
    dirty_windows: set[Window] = field(default_factory=set)
    marked: Seq = 0

    def unresolved(self) -> bool:
        return bool(self.unflushed or self.in_flight or self.due_overlays)


@dataclass(slots=True)
class MemoryRead:
    """A read from memory that claims the head, waiting for its barrier."""

    log: LogId
    barrier: int  # the number of the first barrier begun after its arrival
    expected: Expectation


class Given(NamedTuple):
    """The answer to who asked for a shard."""

    epoch: Epoch
    given: int
    """How often the asker had given it away when it asked."""


class Body:
    """One incarnation: a random id per process start, here a running number. It is fenced, pauses and dies as a whole."""

    def __init__(self, incarnation: Incarnation, world: World) -> None:
        self.incarnation = incarnation
        self.clock_error = int((world.rng.random() - 0.5) * 2 * CLOCK_ERROR)
        self.alive = True
        self.paused_until = 0
        self.barriers_begun = 0
        self.barriers_passed = 0


class Process:
    """What an incarnation is for one shard."""

    def __init__(self, body: Body, shard: ShardId, world: World) -> None:
        self.body = body
        self.shard = shard
        self.world = world
        self.given = 0
        """How often the shard was given away."""
        self.told: list[Given] = []
        """Answers on their way: the shard was handed over to this process."""
        self.forget_all()

    @property
    def incarnation(self) -> Incarnation:
        return self.body.incarnation

    @property
    def alive(self) -> bool:
        return self.body.alive

    @property
    def row(self) -> ShardRow:
        """Of `shard`."""
        return self.world.shards[self.shard]

    def forget_all(self) -> None:
        """As at its start, and after the shard was handed over."""
        self.epoch: Epoch = 0
        self.logs: dict[LogId, LogMemory] = {}
        self.wanted: set[LogId] = set()
        self.memory_reads: list[MemoryRead] = []
        self.serving = False
        self.admits = True
        self.admits_reads = True

    def note(self, text: str, *arguments: object) -> None:
        if self.world.tracing:
            where = f"process {self.incarnation} (shard {self.shard}, epoch {self.epoch})"
            print(f"{self.world.tick:5} {where}: {text % arguments}")

    def write_at_quorum(self, writes: list[Write]) -> Steps[None]:
        """Wait until all are durable, repeating those that time out identically."""
        look = self.world.network.look
        while True:
            yield
            waiting = [write for write in writes if not look(write)]
            if not waiting:
                return
            writes = waiting

    def barrier(self) -> Steps[None]:
        """One QUORUM read of the own fence row, for all shards of the process; whoever arrived before it may share it."""
        body = self.body
        body.barriers_begun += 1
        number = body.barriers_begun
        fence = yield from self.world.network.read(self.world.tables.fence, self.incarnation)
        if fence and fence[None][1]:
            self.note("is fenced")
            raise ExitError
        body.barriers_passed = max(body.barriers_passed, number)

    def timestamp(self, row: Row) -> Timestamp:
        """Of a cell that follows from an event: of its own row, or of an overlay or a blanking."""
        if self.world.protocol.seq_timestamps:
            return timestamp(row.epoch, row.seq)
        return 10_000 + self.world.tick + self.body.clock_error
