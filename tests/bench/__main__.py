"""The command line: `python -m tests.bench --help`."""

import argparse
import asyncio
import os
import platform
import secrets
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import NamedTuple

from tests.bench.arrangements import BETWEEN, SOCKETS, Arrangement, Node, arrangement_of, cassandra_for
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

Facts = dict[str, object]
"""Of the machine and the settings, by name."""


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        revisions = [this_checkout()]
        if options.base:
            revisions.append(stack.enter_context(other_revision(options.base)))
        try:
            runs, facts = asyncio.run(_until_told(revisions, options))
        except (asyncio.CancelledError, KeyboardInterrupt):
            print(f"interrupted; what was measured is in {options.json}", file=sys.stderr)
            return 130
    names = [revision.name for revision in revisions]
    print(*(f"{key}: {value}" for key, value in facts.items()), "", sep="\n")
    if options.scaling:
        print("\n".join(scaling_table(runs, names[0])))
        if options.plot:
            plot(runs, names[0], options.plot)
    else:
        print("\n".join(table(runs, names)))
    broken = faults(runs)
    print("\nlost, doubled or refused: " + ("\n  ".join(["", *broken]) if broken else "nothing"))
    return 1 if broken else 0


async def _until_told(revisions: Sequence[Revision], options: argparse.Namespace) -> tuple[list[Run], Facts]:
    """SIGTERM ends it as Ctrl-C does: no server is left behind."""
    task = asyncio.ensure_future(_measure(revisions, options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


async def _measure(revisions: Sequence[Revision], options: argparse.Namespace) -> tuple[list[Run], Facts]:
    facts: Facts = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "sessions_per_connection": options.sessions_per_connection,
        "seconds": options.seconds,
        "between services": options.between,
        "rate limits": "none: " + " ".join(f"{name}={value}" for name, value in UNLIMITED.items()),
    }
    runs: list[Run] = []
    rows = _rows(options)
    await _run_all(
        [row for row in rows if not arrangement_of(row[0]).on_cassandra], None, revisions, options, facts, runs
    )
    # last: what a node does in the background would weigh on the others
    async with cassandra_for([row for row, _ in rows]) as node:
        facts["cassandra"] = f"commitlog_sync: {node.commit_log}" if isinstance(node, Node) else node
        if isinstance(node, Node):
            on_it = [row for row in rows if arrangement_of(row[0]).on_cassandra]
            await _run_all(on_it, node, revisions, options, facts, runs)
    return runs, facts


async def _run_all(
    rows: Sequence[tuple[str, int]],
    node: Node | None,
    revisions: Sequence[Revision],
    options: argparse.Namespace,
    facts: Facts,
    runs: list[Run],
) -> None:
    for number in range(options.runs):
        for revision in revisions:  # in turn, so that what else the machine does meets all of them
            for arrangement, of_it in _by_arrangement(rows, options.between):
                await _run(Round(number, revision, arrangement, node), of_it, options, facts, runs)


class Round(NamedTuple):
    """One start of the servers."""

    number: int
    revision: Revision
    arrangement: Arrangement
    node: Node | None


async def _run(
    round_: Round, rows: Sequence[tuple[str, int]], options: argparse.Namespace, facts: Facts, runs: list[Run]
) -> None:
    revision = round_.revision
    with TemporaryDirectory(prefix="tertulia_bench_", dir=options.directory) as name:
        directory = Path(name)
        first = not round_.number and round_.arrangement == Arrangement(between=options.between)
        if first:
            facts["medium"] = medium(directory)._asdict()
            facts[f"sqlite settings of {revision.name}"] = settings(revision, directory)
        data = directory / f"bench_{secrets.token_hex(4)}"
        async with running_servers(revision, data, round_.arrangement, round_.node) as servers:
            if first:
                facts[f"durability of {revision.name}"] = await prove_flushes(servers, directory)
            for row, size in rows:
                outcome = await run_row(servers, row, options.seconds, options.sessions_per_connection, size)
                runs.append(Run(revision.name, row, size, outcome))
                options.json.write_text(as_json(runs, facts), "utf-8")
                print(f"run {round_.number + 1} of {revision.name}: {row} {size or ''}", file=sys.stderr, flush=True)


def _rows(options: argparse.Namespace) -> list[tuple[str, int]]:
    if options.scaling:
        wanted = [(row, sizes) for row, (_, sizes) in SIZES.items() if _wanted(row, options)]
        return [(row, size) for row, sizes in wanted for size in sizes if size <= options.up_to]
    apart = options.between != SOCKETS  # then all keep their data in SQLite
    return [(row, 0) for row in ROWS if _wanted(row, options) and not (apart and arrangement_of(row).on_cassandra)]


def _by_arrangement(rows: Sequence[tuple[str, int]], between: str) -> list[tuple[Arrangement, list[tuple[str, int]]]]:
    """The rows that may be measured on the same servers, together."""
    groups: dict[Arrangement, list[tuple[str, int]]] = {}
    for row, size in rows:
        groups.setdefault(arrangement_of(row, between), []).append((row, size))
    return list(groups.items())


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
    parser.add_argument("--up-to", type=int, default=10**9, metavar="N", help="with --scaling: leave larger sizes out")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="with --scaling: draw it, where matplotlib is installed"
    )
    parser.add_argument(
        "--sessions-per-connection", type=int, default=1, metavar="N", help="as devices have it: 1 (%(default)s)"
    )
    parser.add_argument(
        "--between",
        choices=BETWEEN,
        default=SOCKETS,
        help="how services reach each other: apart from each other by TCP, or by mutual TLS, which NATS has then, too (%(default)s)",
    )
    parser.add_argument("--directory", type=Path, default=gettempdir(), help="of the data: on a disk (%(default)s)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where all figures go (%(default)s)")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds = 1, _QUICK_SECONDS
    return options


if __name__ == "__main__":
    sys.exit(main())
