"""Draws cost against size. matplotlib is not among the project's requirements: install it where a picture is wanted."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.report import Run, by_row
from tests.bench.summary import figure
from tests.bench.targets import SIZE_LINES


def plot(runs: Sequence[Run], revision: str, path: Path) -> None:
    """One panel a row: medians with the spread, over sizes on a logarithmic axis."""
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        print("no plot: matplotlib is not installed", file=sys.stderr)
        return
    measured = by_row(runs)
    picture, panels = pyplot.subplots(1, len(SIZE_LINES), figsize=(4 * len(SIZE_LINES), 3))
    for line, panel in zip(SIZE_LINES, panels, strict=True):
        sizes = sorted(size for name, row, size in measured if (name, row) == (revision, line.row))
        found = [figure(line.measure, measured[revision, line.row, size]) for size in sizes]
        medians = [each.median for each in found]
        below = [each.median - each.lowest for each in found]
        above = [each.highest - each.median for each in found]
        panel.errorbar(sizes, medians, yerr=[below, above], marker="o", capsize=3)
        panel.set(xscale="log", xlabel=line.row, ylabel=line.what)
        panel.set_ylim(bottom=0)
    picture.tight_layout()
    picture.savefig(path, dpi=120)
