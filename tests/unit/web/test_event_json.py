"""The JSON of frames: what protobuf would make of the whole, made from parts that are shared."""

import json

from google.protobuf import json_format
from google.protobuf.message import Message
from tertulia.chat.v1 import event_pb2, session_pb2

from services.web.event_json import FrameJson, to_json


def slice_of(text: str, seq: int = 1) -> session_pb2.Slice:
    event = event_pb2.Event(seq=seq, sender_user_id="ann", message=event_pb2.Message(text=text))
    return session_pb2.Slice(log_id=b"\x01" * 16, from_seq=seq, to_seq=seq, head_seq=seq, events=[event])


def frame_of(*slices: session_pb2.Slice) -> session_pb2.ServerFrame:
    notice = session_pb2.Notice(caught_up=session_pb2.CaughtUp())
    return session_pb2.ServerFrame(slices=slices, notices=[notice], acks=[session_pb2.Ack(request_id=2**60, seq=7)])


class Maker:
    """Counts what is made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, message: Message) -> bytes:
        self.made.append(type(message).__name__)
        return to_json(message)


def test_it_is_what_protobuf_makes_of_the_whole_frame() -> None:
    frame = frame_of(slice_of('"quoted" \n <b>ñ</b> \u2028 🎉'), slice_of("", 2))
    made = FrameJson().of(frame.SerializeToString())
    assert json.loads(made) == json_format.MessageToDict(frame)
    assert b"\n" not in made, "a frame is a line"


def test_an_empty_frame_is_an_empty_object() -> None:
    assert FrameJson().of(b"") == b"{}"


def test_a_part_is_made_once_for_all_frames_that_hold_it() -> None:
    maker = Maker()
    frames = FrameJson(make=maker)
    shared = slice_of("shared")
    for n in range(3):
        frames.of(session_pb2.ServerFrame(slices=[shared, slice_of(f"own {n}")]).SerializeToString())
    assert maker.made == ["Slice"] * 4


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    maker = Maker()
    frames = FrameJson(kept_bytes=5_000, make=maker)
    first, second, third = (session_pb2.ServerFrame(slices=[slice_of(c * 1_000)]).SerializeToString() for c in "abc")
    frames.of(first)
    frames.of(second)
    frames.of(first)  # now the second is the oldest
    frames.of(third)
    frames.of(first)
    assert len(maker.made) == 3
    frames.of(second)
    assert len(maker.made) == 4
