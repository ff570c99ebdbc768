"""From outcomes to figures: one per run, then the median and the spread over runs."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.bench.job import GENERATOR, Outcome, decoded

Measure = Callable[[Outcome], float]

GENERATOR_LIMIT = 0.9
"""Above this share of a core the generator may be what limits a row."""


class Figure(NamedTuple):
    """One measure over several runs."""

    median: float
    lowest: float
    highest: float


def figure(measure: Measure, outcomes: Sequence[Outcome]) -> Figure:
    values = [measure(outcome) for outcome in outcomes]
    return Figure(statistics.median(values), min(values), max(values))


def server_cpu(outcome: Outcome) -> float:
    """CPU seconds of all server processes."""
    return sum(seconds for name, seconds in outcome.cpu.items() if name != GENERATOR)


def cpu_per_1000(unit: str) -> Measure:
    return lambda outcome: server_cpu(outcome) / outcome.counts[unit] * 1_000


def per_second(unit: str) -> Measure:
    return lambda outcome: outcome.counts[unit] / outcome.seconds


def latency_ms(histogram: str, percentile: float) -> Measure:
    return lambda outcome: decoded(outcome.histograms[histogram]).get_value_at_percentile(percentile) / 1_000


def kib_per_session(process: str | None = None) -> Measure:
    """Of one process, or of all."""

    def measure(outcome: Outcome) -> float:
        kib = sum(
            value
            for name, value in outcome.counts.items()
            if name.startswith("kib.") and process in {None, name.removeprefix("kib.")}
        )
        return kib / outcome.counts["sessions"]

    return measure


class Shares(NamedTuple):
    """Who used how many cores."""

    servers: float
    generator: float
    others: float
    """Everybody else on the machine: figures with much of this are noisy."""


def shares(outcome: Outcome) -> Shares:
    ours = server_cpu(outcome)
    generator = outcome.cpu.get(GENERATOR, 0.0)
    others = max(0.0, outcome.machine_cpu - ours - generator)
    return Shares(*(seconds / outcome.seconds for seconds in (ours, generator, others)))
