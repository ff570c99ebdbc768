"""Replay a seed, or measure the steps.

    python -m tests.model --seed 7                                     one run of the whole protocol
    python -m tests.model --seed 7 --without fence --trace             one run without a step, told as it happens
    python -m tests.model --seeds 1000 --without fence                 how often a violation is found
    python -m tests.model --seeds 400 --table                          every step removed in turn

The schedule is, unless named, the one on which the (first) removed step is looked for.
"""

import argparse
import sys
import time
from collections.abc import Iterable

from tests.model.protocol import STEPS, Protocol, needed, without
from tests.model.schedule import LATE_WRITES, SCHEDULES, Schedule
from tests.model.simulation import Simulation, violation
from tests.model.vocabulary import InvariantError


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, default=0, help="the seed, or the first one")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--schedule", choices=SCHEDULES)
    parser.add_argument("--without", action="append", default=[], choices=STEPS, metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--trace", action="store_true", help="tell what happens in the run of --seed")
    parser.add_argument("--table", action="store_true", help="the whole protocol, then each step removed")
    chosen = parser.parse_args()
    seeds = range(chosen.seed, chosen.seed + chosen.seeds)
    named: Schedule | None = SCHEDULES.get(chosen.schedule)
    if chosen.table:
        for schedule in [named] if named else SCHEDULES.values():
            report("(nothing)", schedule, without([]), seeds)
        for step in STEPS:
            report(step, named or needed(step).on, without([step]), seeds)
        return 0
    schedule = named or (needed(chosen.without[0]).on if chosen.without else LATE_WRITES)
    if chosen.seeds > 1:
        return int(report(" ".join(chosen.without) or "(nothing)", schedule, without(chosen.without), seeds) > 0)
    return replay(chosen.seed, schedule, without(chosen.without), tracing=chosen.trace)


def report(removed: str, schedule: Schedule, protocol: Protocol, seeds: Iterable[int]) -> int:
    """One line: what is removed, on what schedule, seeds run, violations, the first seed and what it breaks."""
    began = time.process_time()
    found = {seed: violation(seed, schedule, protocol) for seed in seeds}
    broken = {seed: str(error) for seed, error in found.items() if error}
    first = min(broken, default=None)
    duration = 1000 * (time.process_time() - began) / len(found)
    print(f"{removed:29} {schedule.name:11} {len(found):6} seeds {duration:5.1f} ms {len(broken):5} violations", end="")
    print("" if first is None else f", first {first:4}: {broken[first]:.90}", flush=True)
    return len(broken)


def replay(seed: int, schedule: Schedule, protocol: Protocol, *, tracing: bool) -> int:
    try:
        Simulation(seed, schedule, protocol, tracing=tracing).run()
    except InvariantError as broken:
        print(f"seed {seed} on {schedule.name}: {broken}")
        return 1
    print(f"seed {seed} on {schedule.name}: no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
