"""The table of issue 8: what is to be reached, and where others are."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.bench.summary import Measure, cpu_per_1000, kib_per_session, latency_ms, per_second


class Line(NamedTuple):
    """A line of the table."""

    row: str
    what: str
    measure: Measure
    digits: int
    must: float | None = None
    aim: float | None = None
    more_is_better: bool = False
    peers: Sequence[str] = ("", "", "", "")

    def verdict(self, value: float) -> str:
        for name, target in (("aim", self.aim), ("must", self.must)):
            if target is not None and (value >= target if self.more_is_better else value <= target):
                return name
        return "MISSED" if self.must is not None else ""


PEERS = ("Tinode", "ejabberd", "Prosody", "Centrifugo")
"""Measured on a machine like the one of docs/performance.md; Centrifugo keeps its history in memory only."""

CPU_PER_DELIVERY = cpu_per_1000("deliveries")
_P50, _P99 = latency_ms("delivery", 50), latency_ms("delivery", 99)
_SENDS, _PAGES = per_second("sends"), per_second("pages")
_DELIVERIES = per_second("deliveries")

LINES: Sequence[Line] = (
    Line("W1-max", "W1 max: CPU-s per 1,000 deliveries", CPU_PER_DELIVERY, 4, 0.006, 0.003, peers=("0.029", "0.040", "0.046", "0.0020")),
    Line("W1-max", "  deliveries/s", _DELIVERIES, 0),
    Line("W1-rate", "W1 at 50/s: CPU-s per 1,000 deliveries", CPU_PER_DELIVERY, 3, 0.050, 0.035, peers=("0.055", "0.065", "0.084", "0.019")),
    Line("W1-rate", "  p50 ms", _P50, 1, 6, 4.6, peers=("5.7", "5.0", "9.7", "2.8")),
    Line("W1-rate", "  p99 ms", _P99, 1, 12, 8, peers=("10.5", "9.1", "17", "4.5")),
    Line("W2-max", "W2 max: CPU-s per 1,000 deliveries", CPU_PER_DELIVERY, 3, 0.060, 0.03, peers=("0.121", "0.075", "0.304", "0.016")),
    Line("W2-max", "  deliveries/s", _DELIVERIES, 0),
    Line("W2-rate", "W2 at 500/s: CPU-s per 1,000 deliveries", CPU_PER_DELIVERY, 3, 0.145, 0.11, peers=("0.147", "0.174", "-", "0.030")),
    Line("W2-rate", "  p50 ms", _P50, 1, peers=("1.7", "1.3", "-", "0.4")),
    Line("W2-rate", "  p99 ms", _P99, 1, 10, 6, peers=("7.2", "5.3", "-", "1.2")),
    Line("W2-gateways", "W2 max with two gateways: CPU-s per 1,000", CPU_PER_DELIVERY, 3),
    Line("W2-cassandra", "W2 max on one Cassandra, itself included: CPU-s per 1,000", CPU_PER_DELIVERY, 3),
    Line("W2-each", "  with two gateways and two message_store processes", CPU_PER_DELIVERY, 3),
    Line("W3-1", "W3 sends/s, window 1", _SENDS, 0, 700, 1_700, True, ("675", "1,564", "1,684", "7,040")),
    Line("W3-64", "W3 sends/s, window 64", _SENDS, 0, 7_000, 16_000, True, ("858", "1,443", "1,054", "69,000")),
    Line("W3-joined", "W3 sends/s, window 64, joined frames", _SENDS, 0, 12_000, 20_000, True),
    Line("W3-cassandra", "W3 sends/s, window 64, on one Cassandra", _SENDS, 0, 3_000, 8_000, True),
    Line("W4", "W4 KiB per idle session, gateway", kib_per_session("gateway"), 1, 45, 25),
    Line("W4", "  all processes", kib_per_session(), 1, peers=("80", "46", "34", "32")),
    Line("W5", "W5 pages/s", _PAGES, 0, 1_000, 2_500, True, ("938", "85", "18", "5,110")),
    Line("W5", "  CPU-s per 1,000 pages", cpu_per_1000("pages"), 2, 0.7, 0.25, peers=("0.86", "9.6", "12.6", "0.12")),
)  # fmt: skip

SIZE_LINES: Sequence[Line] = (
    Line("online", "CPU-s per 1,000 deliveries", CPU_PER_DELIVERY, 4),
    Line("stored", "CPU-s per 1,000 pages", cpu_per_1000("pages"), 3),
    Line("channels", "CPU-s per 1,000 sessions opened", cpu_per_1000("sessions"), 3),
)
"""Of rows that are measured at several sizes: each is to stay within 1.5 times."""
