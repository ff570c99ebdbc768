"""Holds requests against the rules that are written in the protos."""

import protovalidate
from google.protobuf.message import Message
from protovalidate import Violation

from libs.rpc.errors import FieldsInvalid, FieldViolation

_MAX_VIOLATIONS = 20  # a client mends the first few; a bad frame of 256 sends need not answer with thousands


def validate(message: Message) -> None:
    """Check every rule of `message`, inner messages included (about 3 µs for a Send).

    Raises:
        FieldsInvalid: at least one is broken.
    """
    violations = protovalidate.collect_violations(message)
    if violations:
        raise FieldsInvalid([_describe(violation) for violation in violations[:_MAX_VIOLATIONS]])


def _describe(violation: Violation) -> FieldViolation:
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else ():
        path += f".{element.field_name}" if path else element.field_name
        if element.subscript is not None and element.subscript.field == "index":
            path += f"[{element.subscript.value}]"
    return FieldViolation(path or "request", violation.proto.message)
