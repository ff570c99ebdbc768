"""The figures of message_store."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from tertulia_internal.message_store.v1 import log_pb2

from services.message_store.items import Item
from services.message_store.states import LogStates

_REASONS = {number: name.removeprefix("APPEND_REFUSAL_").lower() for name, number in log_pb2.AppendRefusal.items()}


class AppendMetrics:
    """Counts appends and flushes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._appends = Counter("tertulia_log_appends", "Events appended, durably.", registry=registry)
        self._repetitions = Counter("tertulia_log_repetitions", "Repetitions recognised.", registry=registry)
        self._refusals = Counter("tertulia_log_refusals", "Items refused.", ["reason"], registry=registry)
        self._unknown = Counter("tertulia_log_unknown", "Items whose outcome is unknown.", registry=registry)
        self._rows = Histogram(
            "tertulia_log_flush_rows",
            "Rows of a flush.",
            registry=registry,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096),
        )
        self._seconds = Histogram(
            "tertulia_log_flush_seconds",
            "Time until the rows of a flush were durable, or failed.",
            registry=registry,
            buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2.5, 5),
        )

    def flushed(self, rows: int, seconds: float) -> None:
        self._rows.observe(rows)
        self._seconds.observe(seconds)

    def answered(self, items: Sequence[Item]) -> None:
        appended = repeated = 0
        for item in items:
            if item.refusal:
                self._refusals.labels(_REASONS[item.refusal]).inc()
            elif item.repeated:
                repeated += 1
            else:
                appended += 1
        self._appends.inc(appended)
        self._repetitions.inc(repeated)

    def unknown(self, items: Sequence[Item]) -> None:
        self._unknown.inc(len(items))


def measure_memory(states: LogStates, commits: Callable[[], int], registry: CollectorRegistry) -> None:
    """What is read when it is asked for."""
    Gauge("tertulia_log_states", "Logs in memory.", registry=registry).set_function(lambda: len(states))
    Gauge("tertulia_log_state_bytes", "About how much memory they take.", registry=registry).set_function(
        lambda: states.kept_bytes
    )
    Gauge(
        "tertulia_log_commits",
        "Writes of rows that became durable since the start: transactions, an fsync each, on SQLite; batches on Cassandra.",
        registry=registry,
    ).set_function(commits)
