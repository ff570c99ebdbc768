"""Arithmetic of the bench's figures."""

import pytest

from tests.bench.job import Outcome, decoded, encoded, new_histogram
from tests.bench.report import Run, faults, scaling_table, table
from tests.bench.rows import ROWS
from tests.bench.runs import unpaid
from tests.bench.summary import cpu_per_1000, figure, kib_per_session, latency_ms, per_second, shares
from tests.bench.targets import LINES, Line


def _outcome(gateway: float = 1.0, deliveries: float = 1_000, seconds: float = 2.0) -> Outcome:
    return Outcome(
        seconds=seconds,
        cpu={"gateway": gateway, "nats-server": 0.5, "generator": 0.25},
        machine_cpu=3.0,
        counts={"deliveries": deliveries},
    )


def test_a_figure_is_the_median_with_its_spread() -> None:
    outcomes = [_outcome(gateway) for gateway in (0.5, 9.5, 1.5, 2.5, 0.75)]
    assert figure(cpu_per_1000("deliveries"), outcomes) == pytest.approx((2.0, 1.0, 10.0))


def test_the_generator_is_not_on_the_servers_bill() -> None:
    assert cpu_per_1000("deliveries")(_outcome()) == pytest.approx(1.5)
    assert per_second("deliveries")(_outcome()) == pytest.approx(500)


def test_shares_are_cores_and_what_is_left_is_somebody_elses() -> None:
    assert shares(_outcome()) == pytest.approx((0.75, 0.125, 0.625))


def test_memory_is_told_of_one_process_or_of_all() -> None:
    outcome = Outcome(counts={"sessions": 100, "kib.gateway": 4_000, "kib.channel": 500})
    assert kib_per_session("gateway")(outcome) == pytest.approx(40)
    assert kib_per_session()(outcome) == pytest.approx(45)


def test_latencies_survive_the_way_through_text() -> None:
    histogram = new_histogram()
    for microseconds in range(1_000, 101_000, 1_000):
        histogram.record_value(microseconds)
    outcome = Outcome(histograms={"delivery": encoded(histogram)})
    assert latency_ms("delivery", 50)(outcome) == pytest.approx(50, rel=0.01)
    assert latency_ms("delivery", 99)(outcome) == pytest.approx(99, rel=0.01)
    assert decoded(outcome.histograms["delivery"]).get_total_count() == 100


@pytest.mark.parametrize(
    ("value", "more_is_better", "verdict"),
    [(3, False, "aim"), (4, False, "must"), (7, False, "MISSED"), (3, True, "MISSED"), (9, True, "aim")],
)
def test_a_value_is_held_against_must_and_aim(value: float, more_is_better: bool, verdict: str) -> None:
    must, aim = (6, 8) if more_is_better else (6, 3)
    line = Line("W1-max", "", per_second("sends"), 0, must, aim, more_is_better)
    assert line.verdict(value) == verdict


def test_the_table_compares_two_revisions_side_by_side() -> None:
    runs = [Run("new", "W1-max", 0, _outcome(0.5)), Run("old", "W1-max", 0, _outcome(1.5))]
    (line,) = (line for line in table(runs, ["new", "old"]) if line.startswith("W1 max"))
    assert "1.0000" in line
    assert "2.0000" in line
    assert "-50%" in line


def test_a_row_that_was_not_measured_is_not_in_the_table() -> None:
    lines = list(table([Run("new", "W1-max", 0, _outcome())], ["new"]))
    assert not any(line.startswith("W2") for line in lines)


@pytest.mark.parametrize(("costs", "growth"), [((0.5, 2.5), "3.00"), ((2.5, 0.5), "0.33"), ((2.5, 0.5, 1.5), "2.00")])
def test_cost_against_size_is_held_against_the_cheapest_of_the_smaller_sizes(
    costs: tuple[float, ...], growth: str
) -> None:
    runs = [Run("new", "online", 10**number, _outcome(cost)) for number, cost in enumerate(costs, start=1)]
    (line,) = scaling_table(runs, "new")
    assert f"grows {growth} times" in line


def test_every_line_belongs_to_a_row() -> None:
    assert {line.row for line in LINES} == set(ROWS)


def test_acknowledgements_that_the_store_did_not_count_are_faults() -> None:
    assert unpaid("W1-max", {"sends": 10, "appends": 12, "commits": 1}) == []
    assert unpaid("W1-max", {"sends": 10, "appends": 9, "commits": 1})
    assert unpaid("W1-max", {"sends": 10, "appends": 10, "commits": 0})
    assert unpaid("W3-1", {"sends": 10, "appends": 10, "commits": 9})


def test_a_fault_of_any_run_is_reported() -> None:
    broken = _outcome()
    broken.faults.append("something was lost")
    assert faults([Run("new", "W1-max", 0, _outcome()), Run("new", "W2-max", 0, broken)]) == [
        "new W2-max: something was lost"
    ]
