"""The door's figures. Streams count in plain integers; Prometheus reads them when it scrapes."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_COUNTERS = {
    "streams_opened": "Streams begun.",
    "writes": "Writes to streams; each holds all frames that had come together.",
    "written_bytes": "Bytes of frames written to streams, before JSON is made of them.",
    "stalls": "Requests cut because a write took too long.",
    "refused": "Requests refused because too many were open.",
}
_UNARY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(slots=True)
class Stats:
    """Counts since the start."""

    streams: int = 0
    requests: int = 0
    streams_opened: int = 0
    writes: int = 0
    written_bytes: int = 0
    stalls: int = 0
    refused: int = 0


class StatsCollector(Collector):
    """Shows `stats` to Prometheus."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats
        yield GaugeMetricFamily("tertulia_web_streams", "Streams open.", stats.streams)
        yield GaugeMetricFamily("tertulia_web_requests", "Requests open, streams included.", stats.requests)
        for name, help_text in _COUNTERS.items():
            yield CounterMetricFamily(f"tertulia_web_{name}", help_text, getattr(stats, name))


class Calls:
    """Counts and times calls by method."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter("tertulia_web_calls", "Calls answered.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "tertulia_web_seconds", "Time to answer unary calls.", ["method"], registry=registry, buckets=_UNARY_BUCKETS
        )

    def ended(self, method: str, code: str) -> None:
        self._calls.labels(method, code).inc()

    def took(self, method: str, seconds: float) -> None:
        self._seconds.labels(method).observe(seconds)
