"""Several message_store processes share the logs of a keyspace under load, and change: figures of failover and handover.

`python -m tests.faults.several_owners kill --times 20` (or `move`, `many`) prints them; each ends with a check that every
acknowledged message is in its log once and in order.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.integration.message_store.spread import SpreadLoad
from tests.support.cassandra import shared_cassandra
from tests.support.log_keyspace import LogKeyspace, log_keyspace
from tests.support.message_stores import message_stores

OWNERS = 3
_LOGS = 60
_MOVE_PAUSE_SECONDS = (
    0.2  # between two messages of a log: what is measured is the handover, not how much the machine can do
)
_MANY_LOGS = 6_000
_MANY_PAUSE_SECONDS = 30.0  # between two messages of a log: all of them are active in every minute


class Figures(NamedTuple):
    """What a scenario showed."""

    what: str
    seconds: Sequence[float]
    failures: int

    def __str__(self) -> str:
        return (
            f"{self.what}: {_spread(self.seconds)}; "
            f"{self.failures} tries failed and were repeated; nothing acknowledged lost, doubled or out of order"
        )


async def one_is_killed(logs: LogKeyspace, folder: Path, times: int) -> Figures:
    """kill -9 of one of three, each as if on a machine of its own; it is started again when the others have its shards. How long
    until every log of its shards was acknowledged again."""
    async with message_stores(folder, OWNERS, logs.settings, apart=True) as stores:
        load = SpreadLoad(stores, _LOGS)
        seconds: list[float] = []
        async with load.running():
            for time_number in range(times):
                number = time_number % OWNERS
                dead = load.of_shards(await stores.owned_by(number))
                begun = time.monotonic()
                await stores.processes[number].kill()
                await load.all_acknowledged_since(begun, dead)
                seconds.append(max(load.last[log.log_id] for log in dead) - begun)
                await stores.start(number)
                await stores.shared_by(*range(OWNERS))
        return Figures("one of three killed, to the first acknowledgement of its last log", seconds, load.failures)


async def one_of_many_logs_is_killed(logs: LogKeyspace, folder: Path, times: int) -> Figures:
    """The same with so many logs that each had 2,000 which were active in the last minute. All of its own are written to at once
    when it dies, the others go on: how long until each was acknowledged."""
    async with message_stores(folder, OWNERS, logs.settings, apart=True) as stores:
        load = SpreadLoad(stores, _MANY_LOGS, groups=60, pause_seconds=_MANY_PAUSE_SECONDS)
        seconds: list[float] = []
        async with load.running():
            for time_number in range(times):
                number = time_number % OWNERS
                dead = load.of_shards(await stores.owned_by(number))
                begun = time.monotonic()
                await stores.processes[number].kill()
                load.hurry(dead)
                await load.all_acknowledged_since(begun, dead)
                seconds.append(max(load.last[log.log_id] for log in dead) - begun)
                await stores.start(number)
                await stores.shared_by(*range(OWNERS))
                load.hurry(load.logs)
                await load.all_acknowledged_since(time.monotonic(), load.logs)
        what = (
            f"one of three killed, with {_MANY_LOGS} active logs, to the acknowledgement of the last one of its share"
        )
        return Figures(what, seconds, load.failures)


async def shards_move(logs: LogKeyspace, folder: Path, times: int) -> Figures:
    """A third process comes, and goes, again and again: for how long at most each shard that moved was open nowhere, as its new owner
    logs it. And what that is for writers: how long a log's first message to a new owner took, from when it was first sent, be it to
    the old one, to its acknowledgement. A log has a writer of its own, which waits for no other."""
    async with message_stores(folder, OWNERS, logs.settings) as stores:
        await stores.owners.refresh()
        load = SpreadLoad(stores, _LOGS, groups=_LOGS, pause_seconds=_MOVE_PAUSE_SECONDS)
        idle = _pauses(stores.logged())
        async with load.running():
            load.waits_at_same_owner.clear()  # the first ones waited for their logs to be made
            for _ in range(times):
                assert await stores.processes[2].stop() == 0
                await stores.shared_by(0, 1)
                await stores.start(2)
                await stores.shared_by(0, 1, 2)
        logged = stores.logged()
        assert "fencing" not in logged, "who leaves is asked for its shards, not fenced"
        assert load.waits_at_new_owner, "no log was written to while its shard moved, so this showed nothing"
        what = (
            f"one of three goes and comes: first messages to new owners, {_spread(load.waits_at_new_owner)}; "
            f"other messages, {_spread(load.waits_at_same_owner)}; "
            f"{logged.count('shards_not_drained')} times shards stayed where they were, as what was being appended took too long, "
            f"{logged.count('shards_not_handed_over')} times the old owner did not answer; a shard was open nowhere"
        )
        return Figures(what, sorted((_pauses(logged) - idle).elements()), load.failures)


def _pauses(logged: str) -> Counter[float]:
    """Of each shard that was handed over, in seconds."""
    pauses: Counter[float] = Counter()
    for line in logged.splitlines():
        if '"taken_by_handover"' in line:
            taken = json.loads(line)
            pauses[taken["seconds"]] += taken["shards"]
    return pauses


def _spread(seconds: Sequence[float]) -> str:
    return f"{len(seconds)} times, median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s"


SCENARIOS = {"kill": one_is_killed, "many": one_of_many_logs_is_killed, "move": shards_move}


async def _figures(scenario: str, times: int, folder: Path) -> Figures:
    with shared_cassandra() as points:
        async with log_keyspace(points[0]) as logs:
            return await SCENARIOS[scenario](logs, folder, times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.several_owners")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--times", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(_figures(arguments.scenario, arguments.times, Path(folder))))


if __name__ == "__main__":
    main()
