"""The command line: `python -m tests.bench --help`."""

import argparse
import asyncio
import os
import platform
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from tests.bench.durability import medium, settings
from tests.bench.plot import plot
from tests.bench.report import Run, as_json, faults, scaling_table, table
from tests.bench.revisions import Revision, other_revision, this_checkout
from tests.bench.rows import ROWS, SIZES
from tests.bench.runs import prove_flushes, run_row
from tests.bench.servers import running_servers
from tests.support.unlimited import UNLIMITED

_RUNS = 5
_SECONDS = 6.0
_QUICK_SECONDS = 2.0


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        revisions = [this_checkout()]
        if options.base:
            revisions.append(stack.enter_context(other_revision(options.base)))
        try:
            runs = asyncio.run(_until_told(revisions, options))
        except (asyncio.CancelledError, KeyboardInterrupt):
            print(f"interrupted; what was measured is in {options.json}", file=sys.stderr)
            return 130
    names = [revision.name for revision in revisions]
    print()
    if options.scaling:
        print("\n".join(scaling_table(runs, names[0])))
        if options.plot:
            plot(runs, names[0], options.plot)
    else:
        print("\n".join(table(runs, names)))
    broken = faults(runs)
    print("\nlost, doubled or refused: " + ("\n  ".join(["", *broken]) if broken else "nothing"))
    return 1 if broken else 0


async def _until_told(revisions: Sequence[Revision], options: argparse.Namespace) -> list[Run]:
    """SIGTERM ends it as Ctrl-C does: no server is left behind."""
    task = asyncio.ensure_future(_measure(revisions, options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _measure(revisions: Sequence[Revision], options: argparse.Namespace) -> list[Run]:
    facts: dict[str, object] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sessions_per_connection": options.sessions_per_connection,
        "seconds": options.seconds,
        "rate limits": "none: " + " ".join(f"{name}={value}" for name, value in UNLIMITED.items()),
    }
    runs: list[Run] = []
    for number in range(options.runs):
        for revision in revisions:  # in turn, so that what else the machine does meets all of them
            with TemporaryDirectory(prefix="tertulia-bench-", dir=options.directory) as name:
                directory = Path(name)
                if not number:
                    facts["medium"] = medium(directory)._asdict()
                    facts[f"sqlite settings of {revision.name}"] = settings(revision, directory)
                async with running_servers(revision, directory / "data") as servers:
                    if not number:
                        facts[f"durability of {revision.name}"] = await prove_flushes(servers, directory)
                        print(*(f"{key}: {value}" for key, value in facts.items()), sep="\n", flush=True)
                    for row, size in _rows(options):
                        outcome = await run_row(servers, row, options.seconds, options.sessions_per_connection, size)
                        runs.append(Run(revision.name, row, size, outcome))
                        options.json.write_text(as_json(runs, facts), "utf-8")
                        print(f"run {number + 1} of {revision.name}: {row} {size or ''}", file=sys.stderr, flush=True)
    return runs


def _rows(options: argparse.Namespace) -> list[tuple[str, int]]:
    if options.scaling:
        return [(row, size) for row, (_, sizes) in SIZES.items() if _wanted(row, options) for size in sizes]
    return [(row, 0) for row in ROWS if _wanted(row, options)]


def _wanted(row: str, options: argparse.Namespace) -> bool:
    return not options.only or any(row.startswith(only) for only in options.only)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=_RUNS, help="measure everything so often (%(default)s)")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="of load per row (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one short run: does it work, about how fast")
    parser.add_argument("--only", action="append", metavar="ROW", help="rows that begin so, for example W1 or W3-64")
    parser.add_argument("--base", metavar="REV", help="compare with this revision, in turn")
    parser.add_argument("--scaling", action="store_true", help="cost against size instead")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="with --scaling: draw it, where matplotlib is installed"
    )
    parser.add_argument(
        "--sessions-per-connection", type=int, default=1, metavar="N", help="as devices have it: 1 (%(default)s)"
    )
    parser.add_argument("--directory", type=Path, default=gettempdir(), help="of the data: on a disk (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where all figures go (%(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds = 1, _QUICK_SECONDS
    return options


if __name__ == "__main__":
    sys.exit(main())
