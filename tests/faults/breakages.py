"""The suite is broken on purpose: each of these must turn it red, or it would not have noticed.

Most are services composed from broken parts, under a nemesis that makes the part needed; what the protocol on Cassandra needs
is told as stories, by owners of which one lacks a step.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.faults import one_replica, workloads
from tests.faults.history import Violation
from tests.faults.nemeses import Calm, Kill, Nemesis
from tests.faults.runs import Asked, Plan, run
from tests.faults.stories import STORIES, Story, violations_of
from tests.faults.workloads import Workload
from tests.support.cassandra import cassandra_ring, shared_cassandra
from tests.support.log_keyspace import log_keyspace

FEW = Asked(acknowledged=200, retried=10, deletions=15, strikes=2)
"""For runs that may take some seconds only."""

_BRIEF = Asked(acknowledged=100, retried=5, deletions=5, strikes=1, patience_seconds=15.0)


class Caught(Protocol):
    """A breakage that somebody must notice."""

    @property
    def name(self) -> str: ...

    async def violations(self, seed: int, folder: Path) -> Sequence[Violation]:
        """What is noticed."""


class Breakage(NamedTuple):
    """A stack with a broken part."""

    name: str
    broken: Mapping[str, str]
    """Compositions of `tests.faults.composed`, by service."""
    nemesis: Callable[[], Nemesis] = Calm
    workload: Workload = workloads.TALK

    async def violations(self, seed: int, folder: Path) -> Sequence[Violation]:
        plan = Plan(self.nemesis(), self.workload, "sqlite", seed, _BRIEF, self.broken)
        return (await run(plan, folder)).violations


class BrokenStory(NamedTuple):
    """A story told by an owner that lacks a step."""

    story: Story

    @property
    def name(self) -> str:
        return self.story.without

    async def violations(self, seed: int, folder: Path) -> Sequence[Violation]:
        del seed
        with shared_cassandra() as points:
            async with log_keyspace(points[0]) as logs:
                return await violations_of(self.story, self.story.broken, logs, folder)


class BrokenRepair(NamedTuple):
    """The story of a row on one replica of three."""

    name: str = "no repair"

    async def violations(self, seed: int, folder: Path) -> Sequence[Violation]:
        del seed
        async with (
            cassandra_ring(3, in_memory=True, hints=False) as ring,
            log_keyspace(ring.nodes[1].point, replicas=3) as logs,  # not by way of the node that is killed
        ):
            return await one_replica.violations_of(one_replica.NO_REPAIR, ring, logs, folder)


def _kill_owner() -> Nemesis:
    return Kill("message_store")


BREAKAGES = (
    Breakage("acknowledge before durable", {"message_store": "acknowledges early"}, _kill_owner),
    Breakage("no dedup", {"message_store": "no dedup"}, _kill_owner),
    Breakage("no gap fetch", {"gateway": "no gap fetch", "message_store": "loses doorbells"}),
    Breakage("lost doorbell", {"message_store": "lost doorbells and no heads"}),
)

ALL_BREAKAGES: Sequence[Caught] = (*BREAKAGES, *map(BrokenStory, STORIES), BrokenRepair())
