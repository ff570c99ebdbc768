"""The raw messages of tertulia_internal.wire are the public ones with their inner messages left as bytes."""

from typing import cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from tertulia.chat.v1 import event_pb2, message_pb2, session_pb2
from tertulia_internal.wire.v1 import raw_pb2

PUBLIC = {
    "RawServerFrame": session_pb2.ServerFrame,
    "RawSlice": session_pb2.Slice,
    "RawListMessagesResponse": message_pb2.ListMessagesResponse,
    "RawListEventsResponse": message_pb2.ListEventsResponse,
    "RawGetMessageResponse": message_pb2.GetMessageResponse,
}
RAW = dict(raw_pb2.DESCRIPTOR.message_types_by_name)


def fields_of(descriptor: Descriptor) -> dict[int, tuple[str, int, bool]]:
    """Number → name, type (messages count as bytes: both are length-delimited), repeated."""
    return {
        field.number: (
            field.name,
            FieldDescriptor.TYPE_BYTES if field.type == FieldDescriptor.TYPE_MESSAGE else field.type,
            field.is_repeated,
        )
        for field in descriptor.fields
    }


def test_every_raw_message_has_a_public_one() -> None:
    assert RAW.keys() == PUBLIC.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_a_raw_message_has_the_fields_of_the_public_one(name: str) -> None:
    public: type[Message] = PUBLIC[name]
    assert fields_of(RAW[name]) == fields_of(cast("Descriptor", public.DESCRIPTOR))


def test_a_frame_made_of_raw_messages_is_read_as_a_public_one() -> None:
    event = event_pb2.Event(seq=3, client_id="c", message=event_pb2.Message(text="hello"))
    piece = raw_pb2.RawSlice(log_id=b"l" * 16, from_seq=2, to_seq=3, head_seq=9, events=[event.SerializeToString()])
    frame = raw_pb2.RawServerFrame(slices=[piece.SerializeToString()])
    assert session_pb2.ServerFrame.FromString(frame.SerializeToString()) == session_pb2.ServerFrame(
        slices=[session_pb2.Slice(log_id=b"l" * 16, from_seq=2, to_seq=3, head_seq=9, events=[event])]
    )


def test_the_bytes_of_two_frames_are_one_frame() -> None:
    first = session_pb2.ServerFrame(acks=[session_pb2.Ack(request_id=1, seq=1)])
    second = session_pb2.ServerFrame(acks=[session_pb2.Ack(request_id=2, seq=2)], slices=[session_pb2.Slice(to_seq=2)])
    joined = session_pb2.ServerFrame.FromString(first.SerializeToString() + second.SerializeToString())
    assert joined == session_pb2.ServerFrame(acks=[*first.acks, *second.acks], slices=second.slices)


def test_an_event_in_two_pieces_is_one_event() -> None:
    content = event_pb2.Event(message=event_pb2.Message(text="hello", reply_to_seq=2))
    rest = event_pb2.Event(seq=3, time_ms=4, message_count=2, sender_user_id="alice", client_id="c")
    whole = event_pb2.Event()
    whole.CopyFrom(content)
    whole.MergeFrom(rest)
    assert event_pb2.Event.FromString(content.SerializeToString() + rest.SerializeToString()) == whole


def test_a_server_frame_has_repeated_fields_only() -> None:
    assert all(field.is_repeated for field in session_pb2.ServerFrame.DESCRIPTOR.fields)
