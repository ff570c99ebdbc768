"""Flood a gateway of its own, in one way after the other, and print what it took: a row of a table each.

python -m tests.floods
python -m tests.floods --seconds 5 --only "rapid resets" --only PING

It ends badly if an honest message did not come, a newcomer was refused, or the gateway takes more afterwards than it did before.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.floods.floods import FLOODS, flooding
from tests.floods.footprint import Footprint, footprint, watched
from tests.floods.honest import Honest, honest
from tests.floods.servers import Target, target

_QUIET_SECONDS = 3.0
_PATIENCE_SECONDS = 30.0  # until it has recovered: above the ten seconds after which the slow are hung up on
_MIB_LEFT, _PERCENT_LEFT, _CONNECTIONS_LEFT = 32.0, 5.0, 2
"""What it may take more afterwards: the allocator keeps some; a newcomer may be there just then."""
_HEAD = (
    "| flood | made / hung up on | MiB: before, at most, after | CPU of one core, %: before, during, after | "
    "connections: before, at most, after | recovered within | a message p50 / worst, ms | a newcomer p50 / worst, ms | lost |"
)


async def _recovered(subject: Target, before: Footprint) -> tuple[Footprint, float]:
    """What it takes when it takes no more than before, or when patience is over, and how long that was."""
    begun = time.monotonic()
    while True:
        after = await footprint(subject.pid, subject.port, 1.0)
        seconds = time.monotonic() - begun
        if _no_more(after, before) or seconds > _PATIENCE_SECONDS:
            return after, seconds


def _no_more(after: Footprint, before: Footprint) -> bool:
    return (
        after.mib < before.mib + _MIB_LEFT
        and after.cpu_percent < before.cpu_percent + _PERCENT_LEFT
        and after.connections <= before.connections + _CONNECTIONS_LEFT
    )


async def _measure(name: str, seconds: float, subject: Target, people: Honest) -> bool:
    """Print a row. Whether it recovered, with everybody served."""
    before = await footprint(subject.pid, subject.port, _QUIET_SECONDS)
    people.begin()
    async with flooding(name, seconds, subject) as flood, watched(subject.pid, subject.port) as watch:
        tally = await flood
        most = watch.most()
    served = await people.end()
    after, until = await _recovered(subject, before)
    taken = " | ".join(", ".join(f"{value:.0f}" for value in of) for of in zip(before, most, after, strict=True))
    print(f"| {name} | {tally.made:,} / {tally.ended:,} | {taken} | {until:.0f} s | {served} |", flush=True)
    for failure in served.failures[:3]:
        print(f"  {failure}", file=sys.stderr)
    return _no_more(after, before) and not served.failures


async def flood(names: Sequence[str], seconds: float) -> bool:
    """All of these. Whether all was well."""
    with tempfile.TemporaryDirectory() as folder:
        async with target(Path(folder)) as subject, honest(subject) as people:
            print(_HEAD, "|---" * 9 + "|", sep="\n", flush=True)
            return all([await _measure(name, seconds, subject, people) for name in names])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.floods", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=float, default=10.0, help="of each flood")
    parser.add_argument("--only", choices=FLOODS, action="append")
    chosen = parser.parse_args()
    return 0 if asyncio.run(flood(chosen.only or list(FLOODS), chosen.seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
