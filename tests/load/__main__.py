"""`python -m tests.load`: how many people do containers on this machine carry, and what does killing some of them do?

Needs Docker, the images of NATS and Cassandra (`tests/support/images.py`; pulled or made here) and ours (`make image`). First a ramp:
twice as many people at each level, until errors pass 0.025 %, the 99th percentile of deliveries 2 s, or CPU or memory 85 %. Then a
conversation during which containers are killed and stopped one after the other, with the checker of tests/faults at its end. The exit
code is 0 when a level was carried, and nothing was lost, doubled or out of order.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.faults import workloads
from tests.faults.checker import check
from tests.faults.crowd import Crowd
from tests.faults.operations import Recorder
from tests.load.ramp import Level, ramp
from tests.load.system import NoContainers, System, running
from tests.support.ports import until

_COPIES = {"gateway": 2, "message-store": 2}
_BETWEEN = 100
"""Acknowledged writes between two faults."""

_PATIENCE_SECONDS = 120.0  # for those, and until all readers have all in the end

_PAUSE_SECONDS = 5.0  # longer than a silent owner is waited for


async def ramped(system: System, seconds: float, largest: int) -> int:
    """The people of the last level that kept all limits."""
    carried = 0
    print("people | sends | deliveries | errors | p99, s | CPU | memory | limit passed", flush=True)
    async for level in ramp(system, seconds, largest):
        print(_line(level), flush=True)
        if not level.broken():
            carried = level.people
    print(f"supported: {carried} people online, each saying something every 5 s in rooms of 10")
    return carried


def _line(level: Level) -> str:
    figures = f"{level.people} | {level.sends} | {level.deliveries} | {level.errors:.3%} | {level.p99_seconds:.3f}"
    return (
        f"{figures} | {level.cpu:.0%} | {level.memory:.0%} | {', '.join(level.broken())} {' '.join(level.faults[:2])}"
    )


async def faulted(system: System, folder: Path) -> bool:
    """Whether the promises were kept while containers were killed and stopped."""
    recorder = Recorder(folder / "operations.jsonl")
    crowd = Crowd(system.address, workloads.ALL, recorder, random.Random(1), _PATIENCE_SECONDS)
    async with crowd.at_work():
        for name in system.services:
            await _acknowledged(recorder)
            await system.kill(name)
            print(f"killed {name}", flush=True)
        for name in ("message-store", "gateway"):
            await _acknowledged(recorder)
            await system.pause(name, _PAUSE_SECONDS)
            print(f"{name} stood still for {_PAUSE_SECONDS:.0f} s", flush=True)
        await _acknowledged(recorder)
    recorder.close()
    verdict = check(recorder.recording, await crowd.histories())
    violations = [*crowd.overdue, *verdict.violations]
    print(verdict.tally, f"{crowd.sessions} sessions", *violations, sep="\n")
    return not violations


async def _acknowledged(recorder: Recorder) -> None:
    due = recorder.acknowledged + _BETWEEN
    await until(lambda: recorder.acknowledged >= due, f"{_BETWEEN} more are acknowledged", _PATIENCE_SECONDS)


async def run(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder), arguments.image, _COPIES) as system:
            carried = await ramped(system, arguments.seconds, arguments.largest)
            kept = arguments.no_faults or await faulted(system, Path(folder))
    return 0 if carried and kept else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--image", default="tertulia:dev")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each level")
    parser.add_argument("--largest", type=int, default=12_800, help="the last level at most")
    parser.add_argument("--no-faults", action="store_true")
    try:
        return asyncio.run(run(parser.parse_args()))
    except NoContainers as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
