"""Contiguous pieces of a log, framed and ready to send. Events stay the bytes that their owner made."""

from collections.abc import Iterator
from typing import NamedTuple

from tertulia.chat.v1 import event_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.message_store.v1 import log_pb2
from tertulia_internal.wire.v1 import raw_pb2

_PLAIN = frozenset({"message", "message_edited", "reaction_changed"})
"""What readers are given without anybody looking into it."""

_PLAIN_TAGS = frozenset(event_pb2.Event.DESCRIPTOR.fields_by_name[name].number << 3 | 2 for name in _PLAIN)
"""What the encoded events of these begin with: owners put the content first, and their tags have one byte."""


class Segment(NamedTuple):
    """The events `from_seq` to `to_seq` of a log. At most the last of them is one to look into."""

    from_seq: int
    to_seq: int
    frame: bytes
    """An encoded ServerFrame with one slice."""
    control: event_pb2.Event | None
    """The last event, if it is one to look into: it changes who may do what, or deletes a message."""


def segment_of_doorbell(doorbell: signal_pb2.Doorbell) -> Segment:
    """What an owner rang; it has framed it and cut it behind what is to be looked into."""
    control = None
    if doorbell.control:
        piece = raw_pb2.RawServerFrame.FromString(doorbell.frame).slices[-1]
        control = event_pb2.Event.FromString(raw_pb2.RawSlice.FromString(piece).events[-1])
    return Segment(doorbell.from_seq, doorbell.to_seq, doorbell.frame, control)


def segments_of_read(log_id: bytes, response: log_pb2.ReadResponse) -> Iterator[Segment]:
    """What was read from a log, cut likewise."""
    from_seq = response.from_seq
    events: list[bytes] = []
    for encoded in response.events:
        events.append(encoded)
        if encoded[0] in _PLAIN_TAGS:
            continue
        event = event_pb2.Event.FromString(encoded)
        if (event.WhichOneof("content") or "message") not in _PLAIN:
            yield Segment(from_seq, event.seq, _frame(log_id, from_seq, event.seq, response.head_seq, events), event)
            from_seq = event.seq + 1
            events = []
    if from_seq <= response.to_seq:
        frame = _frame(log_id, from_seq, response.to_seq, response.head_seq, events)
        yield Segment(from_seq, response.to_seq, frame, None)


def policy_version_of(event: event_pb2.Event) -> int:
    """The version of the channel's membership and policy that an event has made; 0: none."""
    match event.WhichOneof("content"):
        case "membership_change":
            return event.membership_change.policy_version
        case "channel_changed":
            return event.channel_changed.policy_version
        case "channel_deleted":
            return event.channel_deleted.policy_version
        case _:
            return 0


def _frame(log_id: bytes, from_seq: int, to_seq: int, head_seq: int, events: list[bytes]) -> bytes:
    piece = raw_pb2.RawSlice(log_id=log_id, from_seq=from_seq, to_seq=to_seq, head_seq=head_seq, events=events)
    return raw_pb2.RawServerFrame(slices=[piece.SerializeToString()]).SerializeToString()
