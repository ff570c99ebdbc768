"""The short cut lets nothing through that the rules of the protos refuse."""

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given
from hypothesis import strategies as st
from tertulia.chat.v1 import event_pb2, session_pb2

from libs.rpc.errors import FieldsInvalid
from libs.rpc.validation import validate
from services.gateway.plain_sends import is_plain

_IDS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{0,70}", fullmatch=True), st.text(max_size=70))
_SEQS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 2**53 - 1, 2**53]))
_TEXTS = st.one_of(st.text(max_size=20), st.integers(9_998, 10_002).map("x".__mul__), st.just("a\0b"))
_MESSAGES = st.builds(
    event_pb2.Message,
    text=_TEXTS,
    reply_to_seq=st.one_of(st.just(0), st.integers(-1, 3)),
    custom_type=st.sampled_from(["", "t", "t" * 129]),
    mentioned_user_ids=st.sampled_from([[], ["bob"], ["bob", "bob"], [""]]),
)
_SENDS = st.builds(
    session_pb2.Send,
    channel_id=_IDS,
    client_message_id=_IDS,
    after_seq=_SEQS,
    message=st.one_of(st.none(), _MESSAGES, st.builds(event_pb2.Message, text=_TEXTS)),
    as_user_id=st.sampled_from(["", "", "bob"]),
)


@given(_SENDS)
def test_what_is_plain_breaks_no_rule(send: session_pb2.Send) -> None:
    if is_plain(send):
        validate(send)


def _plain() -> session_pb2.Send:
    return session_pb2.Send(
        channel_id="room", client_message_id="1", after_seq=3, message=event_pb2.Message(text="hello")
    )


def test_a_text_is_plain() -> None:
    assert is_plain(_plain())


@pytest.mark.parametrize(
    "bad",
    [
        session_pb2.Send(channel_id="a.*.>"),
        session_pb2.Send(channel_id="room\n"),
        session_pb2.Send(channel_id="x" * 65),
        session_pb2.Send(client_message_id="x" * 65),
        session_pb2.Send(client_message_id="é" * 33),
        session_pb2.Send(after_seq=2**53),
        session_pb2.Send(after_seq=-1),
        session_pb2.Send(as_user_id="x" * 129),
        session_pb2.Send(message=event_pb2.Message(text="x" * 10_001)),
        session_pb2.Send(message=event_pb2.Message(text="a\0b")),
        session_pb2.Send(message=event_pb2.Message(custom_type="x" * 129)),
    ],
    ids=lambda bad: str(bad)[:30].strip(),
)
def test_each_rule_is_kept(bad: session_pb2.Send) -> None:
    send = _plain()
    send.MergeFrom(bad)
    assert not is_plain(send)
    with pytest.raises(FieldsInvalid):
        validate(send)


@pytest.mark.parametrize("field", [field for field in event_pb2.Message.DESCRIPTOR.fields if field.name != "text"])
def test_a_message_with_more_than_its_text_is_not_plain(field: FieldDescriptor) -> None:
    one: object = {} if field.message_type else "x" if field.type == FieldDescriptor.TYPE_STRING else 1
    send = _plain()
    json_format.ParseDict({field.name: [one] if field.is_repeated else one}, send.message)
    assert not is_plain(send)
