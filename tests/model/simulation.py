"""One run: a seed decides everything that happens; what is left open at its end is delivered, and all is checked."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from random import Random
from typing import TypeVar

from tests.model import memory_reads
from tests.model.checker import Checker
from tests.model.clients import Clients
from tests.model.owner import Owner, recover_everything
from tests.model.process import Body, World
from tests.model.protocol import WHOLE, Protocol
from tests.model.reads import chain_of, read_changes, read_history, row_of
from tests.model.replicas import QUORUMS, Network, ShardRow
from tests.model.schedule import LATE_WRITES, Schedule
from tests.model.vocabulary import (
    LOGS,
    ROWS_PER_BUCKET,
    SHARDS,
    Chain,
    Event,
    InvariantError,
    LogId,
    Row,
    Seq,
    Steps,
    bucket,
)

T = TypeVar("T")
LAST_TAKEOVERS = 50  # one is enough, unless epochs went backward: then until they are where they were


class Simulation:
    def __init__(
        self, seed: int, schedule: Schedule = LATE_WRITES, protocol: Protocol = WHOLE, *, tracing: bool = False
    ) -> None:
        rng = Random(seed)
        network = Network(rng, schedule, self.note if tracing else None)
        shards = {shard: ShardRow(rng, schedule, protocol) for shard in SHARDS}
        self.world = World(rng, schedule, protocol, Checker(), network, shards, tracing=tracing)
        self.bodies: dict[Body, list[Owner]] = {}
        self.owners: list[Owner] = []
        self.clients = Clients(self.world, self.owners)
        self.readers: list[Steps[None]] = []
        self.start_process()

    def note(self, text: str) -> None:
        print(f"{self.world.tick:5} {text}")

    def run(self) -> None:
        """Raises InvariantError."""
        schedule = self.world.schedule
        happenings: dict[Callable[[], None], float] = {
            self.start_process: schedule.start,
            self.crash_a_process: schedule.crash,
            self.world.network.deliver: schedule.deliver,
            self.apply_a_late_cas: schedule.late_cas,
            self.clients.act: schedule.client,
            self.start_reader: schedule.history_begins,
            self.step_reader: schedule.history_goes_on,
            self.read_memory: schedule.head_read,
            self.step_process: schedule.step,
        }
        ticks = self.world.rng.choices(list(happenings), list(happenings.values()), k=schedule.ticks)
        for self.world.tick, happen in enumerate(ticks):
            happen()
        self.finish()

    def start_process(self) -> None:
        if sum(body.alive for body in self.bodies) < self.world.schedule.processes:
            body = Body(len(self.bodies) + 1, self.world)
            self.bodies[body] = [Owner(body, shard, self.world, self.owners) for shard in SHARDS]
            self.owners += self.bodies[body]

    def pick(self, choices: Sequence[T]) -> T | None:
        return choices[int(self.world.rng.random() * len(choices))] if choices else None

    def crash_a_process(self) -> None:
        body = self.pick(list(self.bodies))
        if body is not None:
            body.alive = False

    def apply_a_late_cas(self) -> None:
        self.world.shards[int(self.world.rng.random() * len(SHARDS))].apply_a_late_one()

    def step_process(self) -> None:
        """One process makes a step with each of its shards, or pauses: a paused process knows nothing of what happens meanwhile."""
        world, schedule = self.world, self.world.schedule
        running = [body for body in self.bodies if body.alive and body.paused_until <= world.tick]
        if world.rng.random() < schedule.serving_runs:
            shard = int(world.rng.random() * len(SHARDS))
            serving = [owner for body in running if (owner := self.bodies[body][shard]).serving]
            running = [max(serving, key=attrgetter("serving_since")).body] if serving else running
        body = self.pick(running)
        if body is None:
            return
        if world.rng.random() < schedule.pause:
            body.paused_until = world.tick + int(world.rng.random() * schedule.pause_ticks)
            return
        for owner in self.bodies[body]:
            if body.alive:
                owner.step()

    def start_reader(self) -> None:
        log = LOGS[int(self.world.rng.random() * len(LOGS))]
        self.readers.append(
            read_history(self.world, log) if self.world.rng.random() < 0.8 else read_changes(self.world)
        )

    def step_reader(self) -> None:
        if self.readers:
            index = int(self.world.rng.random() * len(self.readers))
            try:
                next(self.readers[index])
            except StopIteration:
                del self.readers[index]

    def read_memory(self) -> None:
        owner = self.pick([owner for owner in self.owners if owner.alive and owner.serving and owner.logs])
        if owner is not None:
            memory_reads.arrive(owner, list(owner.logs)[int(self.world.rng.random() * len(owner.logs))])

    def finish(self) -> None:
        """All processes stop, all writes land, others take over; then every quorum must tell the same."""
        world = self.world
        for body in self.bodies:
            body.alive = False
        world.network.deliver_all()
        heads: dict[LogId, Seq] = {}
        for shard in SHARDS:
            world.shards[shard].late.clear()
            numbers = range(1, LAST_TAKEOVERS)
            incarnations = (len(self.bodies) + shard * LAST_TAKEOVERS + number for number in numbers)
            tried = (recover_everything(world, incarnation, shard) for incarnation in incarnations)
            last = next(filter(None, tried))
            heads |= {log: memory.high_water for log, memory in last.logs.items()}
        world.network.deliver_all()
        for log in LOGS:
            for replicas in QUORUMS[::2]:
                world.checker.at_rest(log, self.rows_at_rest(log, replicas, heads[log]))
                world.checker.ghosts_at_rest(log, self.ghosts_at_rest(log, replicas))

    def rows_at_rest(self, log: LogId, replicas: tuple[int, ...], head: Seq) -> list[Row]:
        tables = self.world.tables
        chain = chain_of(tables.log_epoch.held_by(replicas, log), linked=self.world.protocol.chain_linked)
        if chain is None:
            raise InvariantError("I1", f"log {log}: replicas {replicas} hold a broken chain")
        rows: list[Row] = []
        for first in range(0, head + 1, ROWS_PER_BUCKET):
            cells = tables.log.held_by(replicas, (log, bucket(first)))
            for seq in range(max(first, 1), min(first + ROWS_PER_BUCKET, head + 1)):
                row = row_of(cells, seq, chain.valid_epoch(seq))
                if row is None:
                    raise InvariantError("I1", f"log {log}: replicas {replicas} have a hole at {seq}, below {head}")
                rows.append(row)
        return rows

    def ghosts_at_rest(self, log: LogId, replicas: tuple[int, ...]) -> Iterator[tuple[Event, str]]:
        """All texts that replicas hold of a log in rows of other epochs than the valid ones: the event, and the text."""
        table = self.world.tables.log
        chain = chain_of(self.world.tables.log_epoch.held_by(replicas, log)) or Chain([])
        partitions = {partition for copy in table.copies for partition in copy if partition[0] == log}
        for partition in partitions:
            cells = table.held_by(replicas, partition)
            for (seq, epoch, column), (_, text) in cells.items():
                event = cells.get((seq, epoch, "event"))
                is_text = column in {"body", "edited"} and epoch != chain.valid_epoch(seq)
                if is_text and event is not None and isinstance(event[1], Event):
                    yield event[1], str(text)


def violation(seed: int, schedule: Schedule = LATE_WRITES, protocol: Protocol = WHOLE) -> InvariantError | None:
    """Run one seed; what it breaks, if anything."""
    try:
        Simulation(seed, schedule, protocol).run()
    except InvariantError as broken:
        return broken
    return None
