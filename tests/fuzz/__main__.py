"""Attack a `tertulia serve` of its own for some minutes.

python -m tests.fuzz --minutes 10
python -m tests.fuzz --minutes 1 --only session --seed 3
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.processes import compare, footprints
from tests.fuzz.rounds import ATTACKS, attacked
from tests.support.stack import Stack
from tests.support.stacks import serve_stack

_EXAMPLES = 300  # of each kind, then come new people and channels


async def fuzz(minutes: float, kinds: list[str], first_seed: int) -> None:
    """Rounds of every kind until the time is over. Raises what is found, with the example that hypothesis made of it."""
    until = time.monotonic() + minutes * 60
    counts = dict.fromkeys(kinds, 0)
    with tempfile.TemporaryDirectory() as folder:
        async with serve_stack(Path(folder)) as stack:
            before = footprints(stack)
            number = first_seed
            while time.monotonic() < until:
                for kind in kinds:
                    print(f"seed {number}: {kind}", flush=True)
                    await _round(stack, kind, number)
                    counts[kind] += _EXAMPLES
                number += 1
            after = footprints(stack)
    print(", ".join(f"{kind}: {count} examples" for kind, count in counts.items()))
    for part, then in before.items():
        print(f"{part}: {then.resident_bytes / 2**20:.0f} MiB before, {after[part].resident_bytes / 2**20:.0f} after")
    compare(before, after)


async def _round(stack: Stack, kind: str, number: int) -> None:
    loop = asyncio.get_running_loop()
    async with attacked(stack) as target:

        @seed(number)
        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(data=st.data())
        def attack(data: st.DataObject) -> None:
            asyncio.run_coroutine_threadsafe(ATTACKS[kind](target, data), loop).result()

        await asyncio.to_thread(attack)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", choices=ATTACKS)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; each further one has the next")
    chosen = parser.parse_args()
    asyncio.run(fuzz(chosen.minutes, [chosen.only] if chosen.only else list(ATTACKS), chosen.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
