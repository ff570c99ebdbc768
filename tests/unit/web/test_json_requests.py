"""What is wrong with a request in JSON is said in words for whoever wrote it."""

import pytest
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, error_pb2, message_pb2, session_pb2

from libs.rpc.errors import InvalidArgument
from services.web.json_requests import parse_json

SEND = message_pb2.SendMessageRequest


def test_a_message_is_encoded_as_protobuf_has_it() -> None:
    data = parse_json(b'{"channelId": "cafe", "message": {"text": "hi"}}', SEND)
    assert SEND.FromString(data).message.text == "hi"


def test_of_nothing_the_empty_message_is_made() -> None:
    assert parse_json(b" \n", SEND) == b""


@pytest.mark.parametrize(
    ("request_class", "data", "why"),
    [
        (SEND, b"{", "it is no JSON: Expecting property name enclosed in double quotes, line 1, column 2"),
        (SEND, b"\xff", "it is no JSON in UTF-8"),
        (SEND, b"[" * 2_000, "it is too deeply nested"),
        (SEND, b'{"afterSeq": %s}' % (b"9" * 5_000), "a number in it has more digits than any field takes"),
        (SEND, b"7", "it must be a JSON object"),
        (SEND, b"[]", "it must be a JSON object"),
        (SEND, b'{"channelId": "a", "channelId": "b"}', "the field 'channelId' is there twice"),
        (SEND, b'{"channelId": 7}', "channelId: a value of another kind belongs here"),
        (SEND, b'{"afterSeq": "x"}', "afterSeq: a value of another kind belongs here"),
        (SEND, b'{"afterSeq": 1.5}', "afterSeq: Couldn't parse integer: 1.5"),
        (SEND, b'{"afterSeq": true}', "afterSeq: a value of another kind belongs here"),
        (
            SEND,
            b'{"message": {"mentionedUserIds": [1]}}',
            "message.mentionedUserIds: a value of another kind belongs here",
        ),
        (
            SEND,
            b'{"message": {"mentionedUserIds": {}}}',
            "message.mentionedUserIds: a value of another kind belongs here",
        ),
        (SEND, b'{"message": {"text": "\\ud800"}}', "message.text: Unpaired surrogate"),
        (
            SEND,
            b'{"chanelId": "a"}',
            "there is no field 'chanelId'; there are channelId, clientMessageId, afterSeq, message",
        ),
        (
            session_pb2.ListenRequest,
            b'{"hello": {"positions": [{"logId": 5}]}}',
            "hello.positions.logId: a value of another kind belongs here",
        ),
        (
            session_pb2.ListenRequest,
            b'{"hello": {"positions": [{}, {"seq": 1.5}]}}',
            "hello.positions[1].seq: Couldn't parse integer: 1.5",
        ),
        (channel_pb2.CreateChannelRequest, b'{"kind": []}', "kind: a value of another kind belongs here"),
        (
            channel_pb2.CreateChannelRequest,
            b'{"kind": "X"}',
            "kind: Invalid enum value X for enum type tertulia.chat.v1.ChannelKind",
        ),
    ],
)
def test_what_is_wrong_is_said(request_class: type[Message], data: bytes, why: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_json(data, request_class)
    assert refused.value.message == f"the request is no {request_class.DESCRIPTOR.full_name}: {why}"
    assert refused.value.reason == error_pb2.ERROR_REASON_FRAME_INVALID


def test_a_byte_order_mark_is_passed_over() -> None:
    assert parse_json(b'\xef\xbb\xbf{"channelId": "cafe"}', SEND) == parse_json(b'{"channelId": "cafe"}', SEND)
