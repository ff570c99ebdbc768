"""message_store on Cassandra under load, while what it needs, or itself, is killed or stops answering.

Each scenario ends with a check that every acknowledged message is in the log once, at its seq, without a gap. Tests run them
with small numbers; `python -m tests.faults.logs_on_cassandra owner --times 20` (or `node`, `ring`) prints the figures.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.errors import Unavailable
from tests.integration.message_store.load import Load
from tests.integration.message_store.process import MessageStore, item, message_store
from tests.support.cassandra import cassandra_ring, shared_cassandra
from tests.support.cassandra_ring import CassandraRing
from tests.support.log_keyspace import log_keyspace

SLOW_SECONDS = 5.0
"""How long a node is stopped: longer than every deadline of the driver's requests."""

RESENT = 50
"""So many messages of before an owner's death are sent to the next one once more, without `after_seq`: it remembers them."""


class Outcome(NamedTuple):
    """What a scenario showed."""

    acknowledged: int
    errors: int
    """Tries of senders that were answered with an error; each was repeated until it was acknowledged."""
    worst_seconds: float
    """The longest that a sender waited."""
    pauses: Sequence[float]
    """Seconds from each blow to the next acknowledgement."""

    def __str__(self) -> str:
        pauses = sorted(self.pauses)
        return (
            f"{len(pauses)} blows; {self.acknowledged} acknowledged, each present once and in order; "
            f"{self.errors} tries failed and were repeated; longest wait of a sender {self.worst_seconds:.1f} s; "
            f"to the next acknowledgement: median {statistics.median(pauses):.2f} s, worst {pauses[-1]:.2f} s"
        )


class _Watched:
    """A load, and how long it pauses."""

    def __init__(self, store: MessageStore) -> None:
        self.load = Load(store)
        self._pauses: list[float] = []

    async def goes_on(self, since: float) -> None:
        await self.load.until_more(1)
        self._pauses.append(time.monotonic() - since)
        await self.load.until_more(50)

    def outcome(self) -> Outcome:
        return Outcome(len(self.load.acknowledged), self.load.errors, self.load.worst_seconds, self._pauses)


@asynccontextmanager
async def on_ring(folder: Path, nodes: int, *, in_memory: bool) -> AsyncIterator[tuple[CassandraRing, MessageStore]]:
    """message_store on a ring of its own, with a replica on each node."""
    async with (
        cassandra_ring(nodes, in_memory=in_memory) as ring,
        log_keyspace(ring.nodes[0].point, replicas=nodes) as logs,
    ):
        settings = {**logs.settings, "cassandra_nodes": ",".join(map(str, ring.contact_points))}
        async with message_store(folder, **settings) as store:
            yield ring, store


async def owner_is_killed(store: MessageStore, times: int) -> Outcome:
    """kill -9 of message_store, started again at once, as whoever supervises it would."""
    watched = _Watched(store)
    async with watched.load.running():
        for _ in range(times):
            acknowledged = dict(list(watched.load.acknowledged.items())[-RESENT:])
            await store.process.kill()
            begun = time.monotonic()
            await store.process.start()
            await watched.goes_on(begun)
            seqs = await store.append(*map(item, acknowledged))
            assert seqs == [*acknowledged.values()], "a retry after the takeover gets the first seq (I4)"
    return watched.outcome()


async def only_node_is_killed(folder: Path, times: int = 1) -> Outcome:
    """kill -9 of the only node, its data on disk: what is asked meanwhile is UNAVAILABLE, and nothing acknowledged is lost."""
    async with on_ring(folder, 1, in_memory=False) as (ring, store):
        (node,) = ring.nodes
        watched = _Watched(store)
        async with watched.load.running():
            for number in range(times):
                await node.kill()
                begun = time.monotonic()
                with pytest.raises(Unavailable):
                    await store.append(item(f"meanwhile-{number}"))
                with pytest.raises(Unavailable):
                    await store.heads([log_pb2.LogKey(application_id="app", log_id=b"nobody asked yet")])
                await node.start()
                await watched.goes_on(begun)
        await node.kill()
        assert await store.process.stop() == 0, "without Cassandra, too"
        await node.start()
        await store.process.start()
        await watched.load.check()
        return watched.outcome()


async def one_of_three_nodes_fails(folder: Path, times: int = 1) -> Outcome:
    """In a ring of three, one node after the other is stopped for a while (a slow node), then killed -9 and started again."""
    async with on_ring(folder, 3, in_memory=True) as (ring, store):
        watched = _Watched(store)
        async with watched.load.running():
            for number in range(times):
                node = ring.nodes[(number + 1) % 3]
                await node.stop()
                begun = time.monotonic()
                await watched.goes_on(begun)
                await asyncio.sleep(max(0.0, begun + SLOW_SECONDS - time.monotonic()))
                await node.cont()
                await ring.settled()
                await node.kill()
                await watched.goes_on(time.monotonic())
                await node.start()
                await ring.settled()
        return watched.outcome()


async def _figures(scenario: str, times: int, folder: Path) -> Outcome:
    if scenario == "node":
        return await only_node_is_killed(folder, times)
    if scenario == "ring":
        return await one_of_three_nodes_fails(folder, times)
    with shared_cassandra() as points:
        async with log_keyspace(points[0]) as logs, message_store(folder, **logs.settings) as store:
            return await owner_is_killed(store, times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.logs_on_cassandra")
    parser.add_argument("scenario", choices=("owner", "node", "ring"))
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(_figures(arguments.scenario, arguments.times, Path(folder))))


if __name__ == "__main__":
    main()
