"""Which nemesis is run with which workload, on which engine."""

from collections.abc import Iterator

from tests.faults import workloads
from tests.faults.clocks import ClockOfCassandra, Clocks
from tests.faults.composed import STOP_AFTER_APPEND, STOP_AFTER_BARRIER
from tests.faults.cuts import Cut, Delay, Loss
from tests.faults.disks import FullDisk
from tests.faults.nemeses import (
    SEVERAL,
    Calm,
    Kill,
    KillNode,
    Nemesis,
    Pair,
    Rolling,
    StopNats,
    StopOwner,
    StopOwnerAt,
)
from tests.faults.network import Direction
from tests.faults.runs import Plan
from tests.faults.stack import NATS, Shape
from tests.faults.workloads import Workload

SQLITE, CASSANDRA, NODE, RING = "sqlite", "cassandra", "node", "ring"


def plans(seed: int) -> Iterator[Plan]:
    """All runs. Nemeses keep what they have broken, so each run gets its own."""
    for nemesis, workload, engine in (*_embedded(), *_on_cassandra(), *_on_a_ring()):
        yield Plan(nemesis, workload, engine, seed)


Run = tuple[Nemesis, Workload, str]


def _embedded() -> Iterator[Run]:
    for workload in workloads.WORKLOADS.values():
        yield Calm(), workload, SQLITE
    for workload in workloads.WORKLOADS.values():
        yield Kill("message_store"), workload, SQLITE
    nemeses: list[Nemesis] = [Kill(service) for service in ("gateway", "channel", "presence", NATS)]
    nemeses += [StopNats(), Rolling(), FullDisk(), Clocks("message_store", "channel"), Loss(), Delay()]
    nemeses += [Cut(service, NATS, direction) for service in ("message_store", "gateway") for direction in Direction]
    nemeses += [
        Calm("half of the doorbells lost", Shape(composed={"message_store": "loses doorbells"})),
        Pair(Kill("message_store"), Kill("gateway")),
        Pair(Kill("message_store"), Kill(NATS)),
        Pair(Kill("gateway"), Cut("message_store", NATS, Direction.BOTH)),
    ]
    for nemesis in nemeses:
        yield nemesis, workloads.ALL, SQLITE


def _on_cassandra() -> Iterator[Run]:
    nemeses: list[Nemesis] = [
        Kill("message_store"),
        Kill("message_store", SEVERAL),
        Kill("channel"),
        StopOwner(),
        StopOwnerAt(STOP_AFTER_APPEND),
        StopOwnerAt(STOP_AFTER_BARRIER),
        *(Cut("message_store", "cassandra", direction) for direction in Direction),
        Calm("writes time out", Shape(stores=SEVERAL, composed={"message_store": "writes time out"})),
        Loss(),
        Clocks("message_store", "channel"),
        Rolling(SEVERAL),
        Pair(StopOwner(), Kill("gateway")),
    ]
    for nemesis in nemeses:
        yield nemesis, workloads.ALL, CASSANDRA


def _on_a_ring() -> Iterator[Run]:
    yield KillNode(), workloads.ALL, NODE
    yield ClockOfCassandra(), workloads.ALL, NODE
    for nemesis in (
        KillNode(SEVERAL),
        Pair(Kill("message_store", SEVERAL), KillNode()),
        Pair(StopOwner(), KillNode()),
    ):
        yield nemesis, workloads.ALL, RING
