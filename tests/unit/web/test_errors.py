"""What a client learns of a failure."""

import json

import pytest
from connectrpc.code import Code
from tertulia.chat.v1 import error_pb2, message_pb2

from libs.rpc.errors import FieldsInvalid, FieldViolation, InvalidArgument, ResourceExhausted
from libs.runtime.logs import correlation_id
from services.web.errors import error_json, to_connect_error
from services.web.json_requests import parse_json


def test_a_refusal_has_its_code_reason_and_details_for_programs_and_for_people() -> None:
    error = to_connect_error(FieldsInvalid([FieldViolation("message.text", "too long")]))
    body = json.loads(error_json(error))
    assert (body["code"], body["message"]) == ("invalid_argument", "message.text: too long")
    info, bad = body["details"]
    assert info["debug"] == {"reason": "FIELD_INVALID", "domain": "tertulia"}
    assert bad["debug"] == {"fieldViolations": [{"field": "message.text", "description": "too long"}]}


def test_a_time_to_come_back_is_told() -> None:
    refusal = ResourceExhausted("later", error_pb2.ERROR_REASON_OVERLOADED, retry_after_ms=1_500)
    _, retry = json.loads(error_json(to_connect_error(refusal)))["details"]
    assert retry["debug"] == {"retryDelay": "1.500s"}


def test_a_value_that_is_quoted_is_not_said_back_as_a_whole() -> None:
    for value in (b'"%s"' % (b"9" * 5_000), b"9" * 4_000):
        with pytest.raises(InvalidArgument) as refused:
            parse_json(b'{"afterSeq": %s}' % value, message_pb2.SendMessageRequest)
        message = to_connect_error(refused.value).message
        assert "afterSeq: " in message
        assert len(message) < 600


def test_a_fault_shows_a_correlation_id_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    token = correlation_id.set("abc")
    try:
        error = to_connect_error(RuntimeError("password=hunter2"))
    finally:
        correlation_id.reset(token)
    assert error.code is Code.INTERNAL
    assert "hunter2" not in error_json(error).decode()
    assert "abc" in error.message
    assert "hunter2" in "".join(capsys.readouterr()), "the operator sees it"
