"""Rings the doorbell: tells the gateways what became durable. Nothing is promised here; the logs are the record."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.wire.v1 import raw_pb2

from libs.bus import Bus
from libs.bus.port import MAX_PAYLOAD_BYTES
from libs.bus.subjects import HEADS, log_subject
from libs.log_store import Head, Kind, LogKey, Row, Seq

ANNOUNCE_SECONDS = 1.0
"""How often heads are announced: a lost last doorbell is noticed within so much."""

_RECENT_SECONDS = 10.0  # announced several times, so that one lost digest does not matter
_EVENT_OVERHEAD_BYTES = 8  # of one event in a slice: tag and length
_DOORBELL_OVERHEAD_BYTES = 200  # of all that is around the events
_DOORBELL_EVENT_BYTES = MAX_PAYLOAD_BYTES - _DOORBELL_OVERHEAD_BYTES
_HEADS_PER_DIGEST = MAX_PAYLOAD_BYTES // 40  # a LogHead takes at most 2 + 18 + 10 bytes, all shards together 400


_LOOKED_INTO = frozenset({Kind.CONTROL, Kind.DELETION})
"""Gateways look into these: who is a member changes, or what they hold of the log must go."""


class Appended(NamedTuple):
    """What one flush added to a log."""

    log: LogKey
    rows: Sequence[Row]
    head: Head


class Publisher:
    """Publishes doorbells and head digests."""

    def __init__(
        self, bus: Bus, incarnation: str, shards: Iterable[int], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`shards`: those that this process owns, whenever it is asked."""
        self._bus = bus
        self._incarnation = incarnation
        self._shards = shards
        self._monotonic = monotonic
        self._recent: OrderedDict[bytes, tuple[Seq, float]] = OrderedDict()

    async def ring(self, appended: Sequence[Appended]) -> None:
        """Publish the doorbells of a flush."""
        now = self._monotonic()
        for log, rows, head in appended:
            self._recent[log.log_id] = (head.seq, now)
            self._recent.move_to_end(log.log_id)
            subject = log_subject(log.log_id)
            for part in _parts(rows):
                await self._bus.publish(subject, _doorbell(log.log_id, part, head.seq))

    async def announce_heads(self) -> None:
        """Publish the heads of the logs that were written in the last ten seconds; an empty digest if there are none."""
        oldest = self._monotonic() - _RECENT_SECONDS
        while self._recent and next(iter(self._recent.values()))[1] < oldest:
            self._recent.popitem(last=False)
        heads = [signal_pb2.LogHead(log_id=log_id, seq=seq) for log_id, (seq, _) in self._recent.items()]
        for start in range(0, len(heads) or 1, _HEADS_PER_DIGEST):
            digest = signal_pb2.HeadsDigest(
                incarnation=self._incarnation, heads=heads[start : start + _HEADS_PER_DIGEST], shards=self._shards
            )
            await self._bus.publish(HEADS, digest.SerializeToString())


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows cut after every event that gateways look into, and where a doorbell would grow too large for the bus."""
    start = 0
    size = 0
    for index, row in enumerate(rows):
        row_bytes = len(row.event) + _EVENT_OVERHEAD_BYTES
        if size + row_bytes > _DOORBELL_EVENT_BYTES and index > start:
            yield rows[start:index]
            start, size = index, 0
        size += row_bytes
        if row.kind in _LOOKED_INTO:
            yield rows[start : index + 1]
            start, size = index + 1, 0
    if start < len(rows):
        yield rows[start:]


def _doorbell(log_id: bytes, rows: Sequence[Row], head_seq: Seq) -> bytes:
    first, last = rows[0], rows[-1]
    piece = raw_pb2.RawSlice(
        log_id=log_id, from_seq=first.seq, to_seq=last.seq, head_seq=head_seq, events=[row.event for row in rows]
    )
    frame = raw_pb2.RawServerFrame(slices=[piece.SerializeToString()])
    doorbell = signal_pb2.Doorbell(
        from_seq=first.seq,
        to_seq=last.seq,
        frame=frame.SerializeToString(),
        control=last.kind in _LOOKED_INTO,
    )
    return signal_pb2.LogSignal(doorbell=doorbell).SerializeToString()
