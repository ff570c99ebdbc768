"""Contiguous pieces of a log, framed and ready to send. Events stay the bytes that their owner made."""

from collections.abc import Iterator
from typing import NamedTuple

from tertulia.chat.v1 import event_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.message_store.v1 import log_pb2
from tertulia_internal.wire.v1 import raw_pb2

_MESSAGE_TAG = event_pb2.Event.MESSAGE_FIELD_NUMBER << 3 | 2
"""What an encoded event begins with when its content is a message: owners put the content first."""


class Segment(NamedTuple):
    """The events `from_seq` to `to_seq` of a log. At most the last of them is a control event."""

    from_seq: int
    to_seq: int
    frame: bytes
    """An encoded ServerFrame with one slice."""
    control: event_pb2.Event | None
    """The last event, if it changes who is in a channel."""


def segment_of_doorbell(doorbell: signal_pb2.Doorbell) -> Segment:
    """What an owner rang; it has framed it and cut it at control events."""
    control = None
    if doorbell.control:
        control = session_pb2.ServerFrame.FromString(doorbell.frame).slices[-1].events[-1]
    return Segment(doorbell.from_seq, doorbell.to_seq, doorbell.frame, control)


def segments_of_read(log_id: bytes, response: log_pb2.ReadResponse) -> Iterator[Segment]:
    """What was read from a log, cut at control events."""
    from_seq = response.from_seq
    events: list[bytes] = []
    for encoded in response.events:
        events.append(encoded)
        if encoded[0] == _MESSAGE_TAG:
            continue
        event = event_pb2.Event.FromString(encoded)
        if not event.HasField("message"):
            yield Segment(from_seq, event.seq, _frame(log_id, from_seq, event.seq, response.head_seq, events), event)
            from_seq = event.seq + 1
            events = []
    if from_seq <= response.to_seq:
        frame = _frame(log_id, from_seq, response.to_seq, response.head_seq, events)
        yield Segment(from_seq, response.to_seq, frame, None)


def _frame(log_id: bytes, from_seq: int, to_seq: int, head_seq: int, events: list[bytes]) -> bytes:
    piece = raw_pb2.RawSlice(log_id=log_id, from_seq=from_seq, to_seq=to_seq, head_seq=head_seq, events=events)
    return raw_pb2.RawServerFrame(slices=[piece.SerializeToString()]).SerializeToString()
