"""The life of a process with a shard: it waits, owns it, serves, hands over; and the tasks that run while it serves.

Readings taken:
- After a handover that clearly succeeded the process goes on with its other shards, and may get this one again, by takeover
  or by handover. §4 forbids neither. Who is fenced without knowing it may be handed the shard, too: its first barrier ends it.
- A handover whose writes are not resolved in time has changed nothing, and the process goes on. (§4 says exit, which it says
  of a CAS that did not clearly succeed, too: there it is needed.)
- The heir has asked for the shard, and is answered. Or it finds itself in the table; then the answer comes late.
- Reads from memory are refused from the beginning of a handover. "Resolve every write" includes the overlays.
- The barrier of a handover is done as §4 says, but it is not among the steps removed: what was drained has passed
  one already, and 4,000 seeds without it broke nothing.
"""

from collections.abc import Sequence

from tests.model.appends import acknowledge_appends, flush_appends
from tests.model.memory_reads import answer_memory_reads
from tests.model.overlays import mark_writes, write_due_overlays, write_marks
from tests.model.process import Body, Given, Process, World
from tests.model.replicas import CasAnswer, Ownership
from tests.model.takeover import become_owner, recover
from tests.model.vocabulary import LOGS, ExitError, Incarnation, LogId, ShardId, Steps, shard_of

DRAIN_STEPS = 100


class Owner(Process):
    def __init__(self, body: Body, shard: ShardId, world: World, peers: Sequence["Owner"]) -> None:
        super().__init__(body, shard, world)
        self.peers = peers
        self.has_owned = False
        self.serving_since = 0
        self.tasks: list[Steps[None]] = [self.live()]

    def step(self) -> None:
        """Its life goes on; each task beside it makes a step or, as chance has it, does not."""
        random = self.world.rng.random
        try:
            for task in tuple(self.tasks):
                if task is self.tasks[0] or random() < 0.5:
                    next(task)
        except ExitError:
            self.note("exits")
            self.crash()

    def crash(self) -> None:
        """The whole process ends. What it sent is still on its way."""
        self.body.alive = False

    def live(self) -> Steps[None]:
        schedule, rng = self.world.schedule, self.world.rng
        while True:
            yield from become_owner(self, schedule.suspicion)
            yield from recover(self, (yield from self.eager_logs()))
            self.serve()
            handed_over = False
            while not handed_over:
                yield
                if self.wanted:
                    lazily = sorted(self.wanted - self.logs.keys())
                    self.wanted.clear()
                    yield from recover(self, lazily)
                elif rng.random() < schedule.handover:
                    handed_over = yield from self.hand_over()
            self.forget_all()
            del self.tasks[1:]

    def eager_logs(self) -> Steps[list[LogId]]:
        """Those of open dirty windows: the present one and the last. The rest is recovered when it is asked for."""
        now = self.world.window()
        dirty: set[LogId] = set()
        for window in (now - 1, now):
            dirty.update((yield from self.world.network.read(self.world.tables.dirty, window)))
        return sorted(log for log in dirty if shard_of(log) == self.shard)

    def serve(self) -> None:
        self.serving = self.has_owned = True
        self.serving_since = self.world.tick
        self.tasks += [
            flush_appends(self),
            acknowledge_appends(self),
            write_due_overlays(self),
            write_marks(self),
            answer_memory_reads(self),
        ]

    def hand_over(self) -> Steps[bool]:
        """Stop admitting, resolve every write, barrier, marks and overlays, CAS with the same epoch; no seals."""
        protocol = self.world.protocol
        heir = self.heir()
        if heir is None:
            return False
        self.note("hands over to process %d", heir.incarnation)
        asked = heir.given
        self.admits = False
        if protocol.handover_reads_stopped:
            self.admits_reads = False
            self.memory_reads.clear()
        if protocol.handover_drained and not (yield from self.drain()):
            self.resume()
            return False
        yield from self.barrier()
        yield from self.write_at_quorum(mark_writes(self))
        mine = Ownership(self.epoch, self.incarnation)
        answer = yield from self.row.compare_and_set(mine, Ownership(self.epoch, heir.incarnation))
        self.note("handover: CAS %s", answer.value)
        if answer is CasAnswer.APPLIED:
            self.given += 1
            heir.told.append(Given(self.epoch, asked))
            return True
        if protocol.handover_final or (yield from self.row.serial_read()) != mine:
            raise ExitError
        self.resume()
        return False

    def resume(self) -> None:
        self.note("resumes")
        self.admits = self.admits_reads = True

    def drain(self) -> Steps[bool]:
        """The tasks resolve every write and its overlays. Whether they did in time."""
        for _ in range(DRAIN_STEPS):
            yield
            if not any(memory.unresolved() for memory in self.logs.values()):
                return True
        return False

    def heir(self) -> "Owner | None":
        rng = self.world.rng
        others = [peer for peer in self.peers if peer.shard == self.shard and peer is not self]
        idle = [peer for peer in others if peer.alive and not peer.serving]
        back = rng.random() < self.world.schedule.handed_back
        candidates = [peer for peer in idle if peer.has_owned == back] or idle
        return candidates[int(rng.random() * len(candidates))] if candidates else None


def recover_everything(world: World, incarnation: Incarnation, shard: ShardId) -> Owner | None:
    """A takeover to which nothing is lost and nothing happens; None if even so it finds that it is stale."""
    owner = Owner(Body(incarnation, world), shard, world, ())

    def take_over() -> Steps[None]:
        yield from become_owner(owner, suspicion=1)
        yield from recover(owner, [log for log in LOGS if shard_of(log) == shard])

    try:
        for _ in take_over():
            world.network.deliver_all()
    except ExitError:
        return None
    return owner
