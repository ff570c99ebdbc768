"""What a run of the bench says: a table for people, JSON for programs."""

import dataclasses
import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.bench.job import Outcome
from tests.bench.summary import GENERATOR_LIMIT, Figure, figure, shares
from tests.bench.targets import CPU_PER_DELIVERY, LINES, PEERS, SIZE_LINES, Line


class Run(NamedTuple):
    """One measurement."""

    revision: str
    row: str
    size: int
    outcome: Outcome


_PAIRS = (
    ("W2-max", "W2-gateways", "two gateways against one"),
    ("W2-cassandra", "W2-each", "two gateways and two message_store processes against one each, on Cassandra"),
)

Measured = Mapping[tuple[str, str, int], Sequence[Outcome]]
"""By revision, row and size."""


def by_row(runs: Sequence[Run]) -> Measured:
    measured: dict[tuple[str, str, int], list[Outcome]] = defaultdict(list)
    for revision, row, size, outcome in runs:
        measured[revision, row, size].append(outcome)
    return measured


def table(runs: Sequence[Run], revisions: Sequence[str]) -> Iterator[str]:
    """The lines of the table. The first revision is compared with the second, where there is one."""
    measured = by_row(runs)
    head = ["", *(f"{name} (spread)" for name in revisions), "must", "aim", "", *PEERS]
    rows = [_cells(line, measured, revisions) for line in LINES if (revisions[0], line.row, 0) in measured]
    yield from _aligned([head, *rows])
    yield ""
    yield from _against_one(measured, revisions[0])
    yield ""
    yield from _aligned(
        [["row", "cores: servers", "generator", "others", "pace ms", ""], *_share_cells(measured, revisions[0])]
    )


def _against_one(measured: Measured, revision: str) -> Iterator[str]:
    """What two of a service cost more than one: a ratio in each run, since the machine is another from run to run."""
    for single, double, what in _PAIRS:
        one, two = (measured.get((revision, row, 0)) for row in (single, double))
        if one and two:
            more = [
                CPU_PER_DELIVERY(with_two) / CPU_PER_DELIVERY(with_one) - 1
                for with_one, with_two in zip(one, two, strict=True)
            ]
            spread = f"{statistics.median(more):+.0%} ({min(more):+.0%} to {max(more):+.0%})"
            yield f"{what}, CPU per delivery of W2: {spread}; must ≤ 30 %, aim 15 %"


def scaling_table(runs: Sequence[Run], revision: str) -> Iterator[str]:
    """Cost against size: the median at each size, and how much dearer a size is than the cheapest of those below."""
    measured = by_row(runs)
    rows = []
    for line in SIZE_LINES:
        sizes = sorted(size for name, row, size in measured if (name, row) == (revision, line.row))
        if not sizes:
            continue
        medians = [figure(line.measure, measured[revision, line.row, size]).median for size in sizes]
        growth = max(later / min(medians[:at]) for at, later in enumerate(medians) if at) if medians[1:] else 1.0
        costs = ", ".join(f"{size:,}: {median:.{line.digits}f}" for size, median in zip(sizes, medians, strict=True))
        rows.append([line.row, line.what, costs, f"grows {growth:.2f} times (at most 1.5)"])
    yield from _aligned(rows)


def faults(runs: Sequence[Run]) -> list[str]:
    """Everything that was not as promised."""
    return [f"{run.revision} {run.row}: {fault}" for run in runs for fault in run.outcome.faults]


def as_json(runs: Sequence[Run], facts: Mapping[str, object]) -> str:
    """Facts about the machine and the settings, every outcome, and the medians."""
    measured = by_row(runs)
    medians = [
        {"revision": revision, "row": row, "size": size, "what": line.what.strip(), **figure_of(line, outcomes)}
        for (revision, row, size), outcomes in measured.items()
        for line in (*LINES, *SIZE_LINES)
        if line.row == row
    ]
    outcomes = [
        {"revision": run.revision, "row": run.row, "size": run.size, **dataclasses.asdict(run.outcome)} for run in runs
    ]
    return json.dumps({"facts": facts, "medians": medians, "runs": outcomes}, indent=1)


def figure_of(line: Line, outcomes: Sequence[Outcome]) -> dict[str, object]:
    found = figure(line.measure, outcomes)
    return {**found._asdict(), "must": line.must, "aim": line.aim, "verdict": line.verdict(found.median)}


def _cells(line: Line, measured: Measured, revisions: Sequence[str]) -> list[str]:
    figures = [figure(line.measure, measured[name, line.row, 0]) for name in revisions]
    cells = [line.what, *(_shown(found, line.digits) for found in figures)]
    cells += [_target(line.must, line), _target(line.aim, line)]
    verdict = line.verdict(figures[0].median)
    if len(figures) > 1 and figures[1].median:
        verdict += f" {figures[0].median / figures[1].median - 1:+.0%}"
    return [*cells, verdict.strip(), *line.peers]


def _shown(found: Figure, digits: int) -> str:
    return f"{found.median:,.{digits}f} ({found.lowest:,.{digits}f} to {found.highest:,.{digits}f})"


def _target(target: float | None, line: Line) -> str:
    return "" if target is None else f"{'≥' if line.more_is_better else '≤'} {target:,}"


def _share_cells(measured: Measured, revision: str) -> Iterator[list[str]]:
    for (name, row, size), outcomes in measured.items():
        if name != revision or not outcomes[0].cpu:
            continue
        found = [shares(outcome) for outcome in outcomes]
        servers, generator, others = (max(values) for values in zip(*found, strict=True))
        pace = max(outcome.pace_ms for outcome in outcomes)
        note = "the generator may have been the limit" if generator > GENERATOR_LIMIT else ""
        yield [
            f"{row} {size or ''}".strip(),
            f"{servers:.2f}",
            f"{generator:.2f}",
            f"{others:.2f}",
            f"{pace:.1f}",
            note,
        ]


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)] if rows else []
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
