"""One run: a seed decides everything that happens; what is left open at its end is delivered, and all is checked."""

from collections.abc import Callable
from operator import attrgetter
from random import Random

from tests.model import memory_reads
from tests.model.checker import Checker
from tests.model.clients import Clients
from tests.model.owner import Owner, recover_everything
from tests.model.process import World
from tests.model.protocol import WHOLE, Protocol
from tests.model.reads import chain_of, read_changes, read_history, row_of
from tests.model.replicas import QUORUMS, Network, ShardRow
from tests.model.schedule import LATE_WRITES, Schedule
from tests.model.vocabulary import LOGS, ROWS_PER_BUCKET, InvariantError, LogId, Row, Seq, Steps, bucket

LAST_TAKEOVERS = 50  # one is enough, unless epochs went backward: then until they are where they were


class Simulation:
    def __init__(
        self, seed: int, schedule: Schedule = LATE_WRITES, protocol: Protocol = WHOLE, *, tracing: bool = False
    ) -> None:
        rng = Random(seed)
        network = Network(rng, schedule, self.note if tracing else None)
        shard = ShardRow(rng, schedule, protocol)
        self.world = World(rng, schedule, protocol, Checker(), network, shard, tracing=tracing)
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
            self.world.shard.apply_a_late_one: schedule.late_cas,
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
        if sum(owner.alive for owner in self.owners) < self.world.schedule.processes:
            self.owners.append(Owner(len(self.owners) + 1, self.world, self.owners))

    def pick(self, owners: list[Owner]) -> Owner | None:
        return owners[int(self.world.rng.random() * len(owners))] if owners else None

    def crash_a_process(self) -> None:
        owner = self.pick(self.owners)
        if owner is not None:
            owner.crash()

    def step_process(self) -> None:
        """One process makes a step, or pauses: a paused process knows nothing of what happens meanwhile."""
        world, schedule = self.world, self.world.schedule
        running = [owner for owner in self.owners if owner.alive and owner.paused_until <= world.tick]
        if world.rng.random() < schedule.serving_runs:
            serving = [owner for owner in running if owner.serving]
            running = [max(serving, key=attrgetter("serving_since"))] if serving else running
        owner = self.pick(running)
        if owner is None:
            return
        if world.rng.random() < schedule.pause:
            owner.paused_until = world.tick + int(world.rng.random() * schedule.pause_ticks)
        else:
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
        owner = self.pick([owner for owner in self.owners if owner.serving and owner.logs])
        if owner is not None:
            memory_reads.arrive(owner, list(owner.logs)[int(self.world.rng.random() * len(owner.logs))])

    def finish(self) -> None:
        """All processes stop, all writes land, one more process takes over; then every quorum must tell the same."""
        world = self.world
        for owner in self.owners:
            owner.alive = False
        world.network.deliver_all()
        world.shard.late.clear()
        incarnations = range(len(self.owners) + 1, len(self.owners) + LAST_TAKEOVERS)
        last = next(filter(None, (recover_everything(world, incarnation) for incarnation in incarnations)))
        world.network.deliver_all()
        for log in LOGS:
            for replicas in QUORUMS[::2]:
                world.checker.at_rest(log, self.rows_at_rest(log, replicas, last.logs[log].high_water))

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


def violation(seed: int, schedule: Schedule = LATE_WRITES, protocol: Protocol = WHOLE) -> InvariantError | None:
    """Run one seed; what it breaks, if anything."""
    try:
        Simulation(seed, schedule, protocol).run()
    except InvariantError as broken:
        return broken
    return None
