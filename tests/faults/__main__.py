"""`make faults`: every nemesis with its workloads, one run after the other, then every deliberate breakage; two tables.

    make faults                                            all of it; over an hour on two cores that do nothing else
    make faults ARGS="--seed 7"                            with another seed
    make faults ARGS="--only 'kill message_store'"         what begins so in --list; may be repeated
    make faults ARGS="--only broken"                       the deliberate breakages
    make faults ARGS="--list"                              what there is

Exits with 1 if a promise was broken, a process crashed, a run showed too little to count, or a breakage was not noticed.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from tests.faults import summary
from tests.faults.breakages import ALL_BREAKAGES, Caught
from tests.faults.plans import plans
from tests.faults.runs import Plan, Result, run
from tests.support.cassandra import shared_cassandra
from tests.support.log_keyspace import keyspace_of_all


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="what begins so in --list")
    parser.add_argument("--list", action="store_true", help="name what there is")
    parser.add_argument("--json", type=Path, default=Path("faults.json"), help="where the figures go")
    chosen = parser.parse_args()

    def is_wanted(name: str) -> bool:
        return not chosen.only or any(name.startswith(each) for each in chosen.only)

    wanted = [plan for plan in plans(chosen.seed) if is_wanted(plan.name)]
    broken = [each for each in ALL_BREAKAGES if is_wanted(f"broken: {each.name}")]
    if chosen.list:
        print("\n".join([*(plan.name for plan in wanted), *(f"broken: {each.name}" for each in broken)]))
        return 0
    logging.getLogger("tertulia").setLevel(logging.ERROR)  # the SDK tells of answers that came after somebody gave up
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    results = list(_run_all(wanted, chosen.json)) if wanted else []
    missed = _break_all(broken, chosen.seed) if broken else 0
    return int(missed > 0 or not all(result.is_good for result in results))


def _run_all(wanted: Sequence[Plan], path: Path) -> list[Result]:
    results: list[Result] = []
    begun = time.monotonic()
    print(summary.header(), flush=True)
    for plan in wanted:
        if reason := plan.nemesis.missing():
            print(f"{plan.name}: skipped, {reason}", flush=True)
            continue
        folder = _folder()
        result = asyncio.run(_run(plan, folder))
        results.append(result)
        print(summary.row(result), flush=True)
        for violation in result.violations[:10]:
            print(f"    {violation.invariant}: {violation.what}", flush=True)
        if result.is_good:
            shutil.rmtree(folder)
        else:
            print(f"    kept: {folder}", flush=True)
        summary.write(results, path)
    violations = sum(len(result.violations) for result in results)
    print(f"{len(results)} runs, {violations} violations, {time.monotonic() - begun:.0f} s; figures in {path}")
    return results


async def _run(plan: Plan, folder: Path) -> Result:
    if plan.engine != "cassandra":
        return await run(plan, folder)
    with shared_cassandra() as points:
        async with keyspace_of_all(points[0]) as keyspace:
            return await run(plan, folder, keyspace)


def _break_all(broken: Sequence[Caught], seed: int) -> int:
    """How many breakages were not noticed."""
    missed = 0
    print(f"\n{'without':28} noticed as")
    for breakage in broken:
        folder = _folder()
        violations = asyncio.run(breakage.violations(seed, folder))
        invariants = sorted({violation.invariant for violation in violations})
        noticed = f"{', '.join(invariants)}: {violations[0].what:.100}" if violations else "NOT NOTICED"
        print(f"{breakage.name:28} {noticed}", flush=True)
        missed += not violations
        shutil.rmtree(folder)
    return missed


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tertulia-faults-"))
    folder.chmod(0o755)  # parts run as groups of their own
    return folder


if __name__ == "__main__":
    sys.exit(main())
