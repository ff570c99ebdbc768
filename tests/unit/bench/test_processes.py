"""Reading /proc."""

import os

from tests.bench.processes import busy_seconds, cpu, cpu_seconds_of, difference, memory
from tests.bench.servers import parse_metrics

TICKS = os.sysconf("SC_CLK_TCK")


def test_cpu_time_is_user_and_system_time_whatever_the_process_is_called() -> None:
    stat = f"1234 (a ) (strange name) S 1 2 3 4 5 6 7 8 9 10 {3 * TICKS} {2 * TICKS} 99 99 20 0 7 0"
    assert cpu_seconds_of(stat) == 5


def test_cpu_time_of_this_process_grows_with_its_work() -> None:
    pids = {"this": os.getpid()}
    before, machine = cpu(pids), busy_seconds()
    while (used := difference(cpu(pids), before)["this"]) < 0.05:
        sum(range(100_000))
    assert used >= 0.05
    assert busy_seconds() > machine


def test_memory_is_told_in_kib() -> None:
    assert 1_000 < memory({"this": os.getpid()})["this"] < 10_000_000


def test_metrics_without_labels_are_read() -> None:
    text = '# HELP a b\n# TYPE a counter\na_total 3.0\nb{reason="x"} 4.0\ntertulia_log_commits 17.0\n'
    assert parse_metrics(text) == {"a_total": 3.0, "tertulia_log_commits": 17.0}
