"""What was sent, acknowledged and delivered, held against what was promised: every acknowledged message once, in order."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from tests.bench.job import new_histogram

_MAX_FAULTS = 20  # that are told; all are counted


class Sent(NamedTuple):
    """A send under way. `intended_ns` is when it was to leave: an overdue one waits from then on."""

    log: bytes
    intended_ns: int


class Delivery(NamedTuple):
    """A range of a log that reached a reader."""

    log: bytes
    from_seq: int
    to_seq: int
    received_ns: int


class Ledger:
    """Fed by all sessions of a generator while it works; judged when it has finished."""

    def __init__(self) -> None:
        self.deliveries = 0
        """Messages that reached readers."""
        self.acks = 0
        self.ack_latency = new_histogram()
        self.fault_count = 0
        self._faults: list[str] = []
        self._open: dict[int, Sent] = {}
        self._intended: dict[tuple[bytes, int], int] = {}
        self._first: dict[bytes, int] = {}
        self._last: dict[bytes, int] = {}
        self._delivered: list[Delivery] = []

    @property
    def open_sends(self) -> int:
        return len(self._open)

    def begin(self, log: bytes, head_seq: int) -> None:
        """A log is used from after this seq on."""
        self._first[log] = self._last[log] = head_seq

    def sent(self, request_id: int, log: bytes, intended_ns: int) -> None:
        self._open[request_id] = Sent(log, intended_ns)

    def acked(self, request_id: int, seq: int, now_ns: int) -> None:
        send = self._open.pop(request_id, None)
        if send is None:
            self.fault(f"request {request_id} was acknowledged twice, or never sent")
            return
        self.acks += 1
        self.ack_latency.record_value((now_ns - send.intended_ns) // 1_000)
        if (send.log, seq) in self._intended:
            self.fault(f"seq {seq} of log {send.log.hex()} was given to two messages")
        self._intended[send.log, seq] = send.intended_ns
        self._last[send.log] = max(self._last[send.log], seq)

    def delivered(self, cursor: int, delivery: Delivery, events: int) -> int:
        """Somebody who stood at `cursor` got a range with so many events. Returns where they stand now."""
        log, from_seq, to_seq, _ = delivery
        if from_seq != cursor + 1:
            what = "lost" if from_seq > cursor + 1 else "delivered again"
            self.fault(f"log {log.hex()}: after seq {cursor} came {from_seq} to {to_seq}: something was {what}")
        if events != to_seq - from_seq + 1:
            self.fault(f"log {log.hex()}: {from_seq} to {to_seq} came with {events} events")
        self.deliveries += events
        self._delivered.append(delivery)
        return max(cursor, to_seq)

    def fault(self, what: str) -> None:
        self.fault_count += 1
        if len(self._faults) < _MAX_FAULTS:
            self._faults.append(what)

    def behind(self, log: bytes, cursor: int) -> bool:
        """Whether a reader at `cursor` still lacks something that was acknowledged."""
        return cursor < self._last[log]

    def judge(self, cursors: Iterable[tuple[bytes, int]]) -> list[str]:
        """All that was not as promised, given where each reader of each log stands in the end. Empty: nothing."""
        if self._open:
            self.fault(f"{len(self._open)} sends were never answered")
        seqs = sum(self._last[log] - first for log, first in self._first.items())
        if len(self._intended) != seqs:
            self.fault(f"{len(self._intended)} messages were acknowledged, but the logs grew by {seqs}")
        for log, cursor in cursors:
            if cursor != self._last[log]:
                self.fault(
                    f"log {log.hex()}: a reader ended at {cursor}, the last acknowledged seq is {self._last[log]}"
                )
        return [*self._faults, f"{self.fault_count} faults in all"] if self.fault_count else []

    def delivery_latency(self) -> HdrHistogram:
        """From when a message was to be sent until it was read from a socket, over all deliveries, in microseconds."""
        histogram = new_histogram()
        for latency_us in self._latencies():
            histogram.record_value(latency_us)
        return histogram

    def _latencies(self) -> Iterator[int]:
        for log, from_seq, to_seq, received_ns in self._delivered:
            for seq in range(from_seq, to_seq + 1):
                intended_ns = self._intended.get((log, seq))
                if intended_ns is not None:
                    yield max(1, (received_ns - intended_ns) // 1_000)
