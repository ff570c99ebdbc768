"""The gateway's figures. On the hot path they are plain integers; Prometheus reads them when it scrapes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from tertulia.chat.v1 import error_pb2

_COUNTERS = {
    "sessions_opened": "Sessions that said hello and were let in.",
    "deliveries": "Events handed to the queues of sessions, live.",
    "sends": "Messages that clients sent.",
    "acks": "Messages acknowledged.",
    "retries": "Append batches repeated because their outcome was unknown.",
    "stale": "Sends that had to be authorised anew.",
    "catch_ups": "Times when a session began to catch up with a log.",
    "gaps": "Gap notices sent: ranges that a client has to fetch.",
    "fills": "Reads of logs for doorbells that were not heard.",
    "jumps": "Feeds that had fallen too far behind to be filled.",
    "overflows": "Times when the queue of a session was full.",
    "revoked": "Sessions cut because their token was revoked, or its key withdrawn.",
    "stalls": "Sessions cut because a write took too long.",
    "bad_signals": "Payloads on the bus that could not be read.",
}


@dataclass(slots=True)
class Stats:
    """Counts since the start."""

    sessions: int = 0
    feeds: int = 0
    sessions_opened: int = 0
    deliveries: int = 0
    sends: int = 0
    acks: int = 0
    retries: int = 0
    stale: int = 0
    catch_ups: int = 0
    gaps: int = 0
    fills: int = 0
    jumps: int = 0
    overflows: int = 0
    revoked: int = 0
    stalls: int = 0
    bad_signals: int = 0
    failures: Counter[error_pb2.ErrorReason.ValueType] = field(default_factory=Counter)


class StatsCollector(Collector):
    """Shows `stats` to Prometheus."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        yield GaugeMetricFamily("tertulia_gateway_sessions", "Sessions open.", stats.sessions)
        yield GaugeMetricFamily("tertulia_gateway_feeds", "Logs followed.", stats.feeds)
        for name, documentation in _COUNTERS.items():
            yield CounterMetricFamily(f"tertulia_gateway_{name}", documentation, getattr(stats, name))
        failures = CounterMetricFamily(
            "tertulia_gateway_failures", "Commands on sessions that were refused.", labels=["reason"]
        )
        for reason, count in list(stats.failures.items()):
            failures.add_metric([error_pb2.ErrorReason.Name(reason).removeprefix("ERROR_REASON_")], count)
        yield failures


def batch_sizes(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "tertulia_gateway_append_batch",
        "Sends in an append batch.",
        registry=registry,
        buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    )
