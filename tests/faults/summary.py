"""The table that `make faults` prints, and the JSON beside it."""

from collections.abc import Sequence
from pathlib import Path

import orjson

from tests.faults.runs import Result

_COLUMNS = (
    "nemesis",
    "workload",
    "engine",
    "seed",
    "acknowledged",
    "unknown",
    "retried",
    "deletions",
    "takeovers",
    "worst s",
    "violations",
)
_WIDTHS = (40, 10, 10, 6, 13, 8, 8, 10, 10, 8, 11)


def header() -> str:
    return _line(_COLUMNS)


def row(result: Result) -> str:
    plan, counted = result.plan, result.verdict.tally
    line = _line(
        (
            plan.nemesis.name,
            plan.workload.name,
            plan.engine,
            plan.seed,
            counted.acknowledged,
            counted.unknown,
            counted.retried,
            counted.deletions,
            result.takeovers,
            f"{result.worst_seconds:.1f}",
            len(result.violations),
        )
    )
    lacks = result.lacks()
    line += f"  does not count: {', '.join(lacks)}" if lacks else ""
    return line + (f"  crashed: {', '.join(result.crashes)}" if result.crashes else "")


def write(results: Sequence[Result], path: Path) -> None:
    """All figures, as JSON."""
    rows = [
        {
            "nemesis": result.plan.nemesis.name,
            "workload": result.plan.workload.name,
            "engine": result.plan.engine,
            "seed": result.plan.seed,
            **result.verdict.tally._asdict(),
            "reads_between": result.reads_between,
            "events": result.verdict.events,
            "takeovers": result.takeovers,
            "worst_seconds": round(result.worst_seconds, 3),
            "violations": [f"{violation.invariant}: {violation.what}" for violation in result.violations],
            "crashes": list(result.crashes),
            "lacks": result.lacks(),
        }
        for result in results
    ]
    path.write_bytes(orjson.dumps(rows, option=orjson.OPT_INDENT_2))


def _line(values: Sequence[object]) -> str:
    return "".join(f"{value!s:{width}}" for value, width in zip(values, _WIDTHS, strict=True)).rstrip()
