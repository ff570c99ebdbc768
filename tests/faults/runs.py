"""One run: a stack, a workload, a nemesis that strikes again and again, and the verdict when all has healed."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.faults.building import fault_stack
from tests.faults.checker import Verdict, check, tally
from tests.faults.crowd import Crowd
from tests.faults.history import Violation
from tests.faults.nemeses import Nemesis
from tests.faults.operations import WRITES, Kind, Recorder, Recording
from tests.faults.stack import FaultStack
from tests.faults.workloads import Workload
from tests.support.cassandra import cassandra_ring
from tests.support.log_keyspace import LogKeyspace, keyspace_of_all

_ROUNDS_OF_PATIENCE = 3  # a busy machine needs a few minutes for a thousand writes
_BETWEEN = 60  # writes acknowledged before each blow, and after it was healed


class Asked(NamedTuple):
    """What a run must have had, or it shows nothing."""

    acknowledged: int = 1_000
    retried: int = 50
    deletions: int = 100
    strikes: int = 3
    patience_seconds: float = 60.0
    """Within so much after each healing people must get on, and in the end all readers must have all."""


WHOLE = Asked()


class Plan(NamedTuple):
    """What is to be run."""

    nemesis: Nemesis
    workload: Workload
    engine: str
    """sqlite; cassandra: a node that nobody breaks; node: one of the run's own; ring: three."""
    seed: int
    asked: Asked = WHOLE
    broken: Mapping[str, str] = {}
    """Compositions that replace services: see `tests.faults.composed`."""

    @property
    def name(self) -> str:
        return f"{self.nemesis.name}/{self.workload.name}/{self.engine}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run showed."""

    plan: Plan
    verdict: Verdict
    violations: Sequence[Violation]
    """Those of the verdict, and what did not heal."""
    takeovers: int
    reads_between: int
    """The fewest reads answered between two blows, or before the first or after the last."""
    crashes: Sequence[str]
    """Processes that ended by themselves, and not because they were fenced."""
    worst_seconds: float
    """The longest time in which no write of anybody was acknowledged."""

    @property
    def is_good(self) -> bool:
        """Nothing is wrong, and it counts."""
        return not (self.violations or self.crashes or self.lacks())

    def lacks(self) -> list[str]:
        """Why the run does not count; empty: it does."""
        asked, counted = self.plan.asked, self.verdict.tally
        takeovers = asked.strikes if self.plan.nemesis.takes_over else 0
        return [
            f"{name} {there} of {due}"
            for name, there, due in (
                ("acknowledged", counted.acknowledged, asked.acknowledged),
                ("retried", counted.retried, asked.retried),
                ("deletions", counted.deletions, asked.deletions),
                ("takeovers", self.takeovers, takeovers),
                ("reads between blows", self.reads_between, 1),
            )
            if there < due
        ]


async def run(plan: Plan, folder: Path, keyspace: LogKeyspace | None = None) -> Result:
    """Run it. Records, logs and data stay in `folder`; `keyspace` is a new one on a node that nobody breaks, for engine `cassandra`."""
    rng = random.Random(plan.seed)
    recorder = Recorder(folder / "operations.jsonl")
    blows: list[float] = []
    async with _stack(plan, folder, keyspace) as stack:
        crowd = Crowd(stack.address, plan.workload, recorder, rng, plan.asked.patience_seconds)
        unhealed: list[Violation] = []
        async with crowd.at_work():
            begun = recorder.now()
            for _ in range(plan.asked.strikes):
                unhealed += await _goes_on(recorder, _BETWEEN, plan.asked.patience_seconds)
                blows.append(recorder.now())
                await plan.nemesis.strike(stack, rng)
                await asyncio.sleep(plan.nemesis.hold_seconds)
                await plan.nemesis.heal(stack)
                unhealed += await _goes_on(recorder, _BETWEEN, plan.asked.patience_seconds)
            await _enough(recorder, plan.asked)
            ended = recorder.now()
            takeovers = await stack.takeovers()
        await stack.renew_owners()
        histories = await crowd.histories()
        contents = await stack.contents()
    recorder.close()
    verdict = check(recorder.recording, histories, contents)
    return Result(
        plan,
        verdict,
        [*unhealed, *crowd.overdue, *verdict.violations],
        takeovers,
        _reads_between(recorder.recording, [begun, *blows, ended]),
        stack.crashes,
        _worst_silence(recorder.recording, begun, ended),
    )


_NODES = {"node": 1, "ring": 3}


@asynccontextmanager
async def _stack(plan: Plan, folder: Path, keyspace: LogKeyspace | None) -> AsyncIterator[FaultStack]:
    async with AsyncExitStack() as opened:
        plan.nemesis.prepare(folder)
        opened.callback(plan.nemesis.clean)
        ring, shape = None, plan.nemesis.shape
        if plan.broken:
            shape = shape._replace(composed={**shape.composed, **plan.broken})
        if nodes := _NODES.get(plan.engine):
            ring = await opened.enter_async_context(
                cassandra_ring(nodes, in_memory=nodes > 1, environment=shape.environment.get("cassandra"))
            )
            keyspace = await opened.enter_async_context(keyspace_of_all(ring.nodes[0].point, replicas=nodes))
        yield await opened.enter_async_context(
            fault_stack(folder, shape, keyspace if plan.engine != "sqlite" else None, ring)
        )


async def _goes_on(recorder: Recorder, more: int, seconds: float) -> list[Violation]:
    """Wait until so many further writes were acknowledged."""
    due = recorder.acknowledged + more
    deadline = recorder.now() + seconds
    while recorder.acknowledged < due:
        if recorder.now() > deadline:
            return [Violation("I9", f"healed, and not {more} writes were acknowledged within {seconds:.0f} s")]
        await asyncio.sleep(0.05)
    return []


async def _enough(recorder: Recorder, asked: Asked) -> None:
    """Wait until a run has what was asked for. If it does not come to that in time, the result says what it lacks."""
    deadline = recorder.now() + _ROUNDS_OF_PATIENCE * asked.patience_seconds
    while recorder.now() < deadline:
        counted = tally(recorder.recording.operations)
        if all(getattr(counted, name) >= getattr(asked, name) for name in ("acknowledged", "retried", "deletions")):
            return
        await asyncio.sleep(0.2)


def _reads_between(recording: Recording, moments: Sequence[float]) -> int:
    reads = [each.ended for each in recording.of(Kind.READ) if each.ok]
    return min(sum(low < read < high for read in reads) for low, high in itertools.pairwise(moments))


def _worst_silence(recording: Recording, begun: float, ended: float) -> float:
    moments = sorted(
        each.ended for each in recording.operations if each.ok and each.kind in WRITES and begun < each.ended < ended
    )
    return max(after - before for before, after in itertools.pairwise([begun, *moments, ended]))
