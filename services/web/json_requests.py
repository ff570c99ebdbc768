"""Requests in JSON, and what is wrong with them in words for whoever wrote them."""

import json
import re
from typing import NoReturn

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument

_PATH = re.compile(r"Failed to parse (\w+) field: ")
_PLACE = re.compile(r" at \w+(?:\.([\w.\[\]]+))?$")
_UNKNOWN_FIELD = re.compile(
    r'Message type "[\w.]+" has no field named "(.*?)"(?: at "[\w.]*")?\.\s*Available Fields.*?"\[(.*)\]"', re.DOTALL
)
_OF_PYTHON = re.compile(
    r"object of type|bytes-like|not iterable|not subscriptable|invalid literal|has no attribute|TypeError|unhashable type"
    r"|must be in \[\] which is|Bool value"
)
_WRONG_KIND = "a value of another kind belongs here"


def parse_json(data: bytes, message_class: type[Message]) -> bytes:
    """The encoded message that `data` is the JSON of; of nothing at all, the empty one.

    Raises:
        InvalidArgument: FRAME_INVALID, with what is wrong and where.
    """
    name = message_class.DESCRIPTOR.full_name
    message = message_class()
    if not data.strip():
        return message.SerializeToString()
    try:
        fields = json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_once
        )  # some tools begin with a byte order mark
    except json.JSONDecodeError as error:
        _refuse(name, f"it is no JSON: {error.msg}, line {error.lineno}, column {error.colno}")
    except _Twice as error:
        _refuse(name, f"the field {str(error)!r} is there twice")
    except UnicodeDecodeError:
        _refuse(name, "it is no JSON in UTF-8")
    except RecursionError:
        _refuse(name, "it is too deeply nested")
    except ValueError:  # Python reads no more than 4,300 digits
        _refuse(name, "a number in it has more digits than any field takes")
    if not isinstance(fields, dict):
        _refuse(name, "it must be a JSON object")
    try:
        json_format.ParseDict(fields, message)
    except json_format.ParseError as error:
        _refuse(name, _why(str(error)))
    except (ValueError, TypeError, RecursionError, DecodeError):
        _refuse(name, "it is too deeply nested, or holds what no field can")
    return message.SerializeToString()


class _Twice(Exception):
    """A field was named twice: which of the two was meant?"""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise _Twice(name)
        fields[name] = value
    return fields


def _why(words: str) -> str:
    """protobuf's words without Python's."""
    words = words.rstrip(".")
    place = _PLACE.search(words)
    path = max((place and place[1]) or "", ".".join(_PATH.findall(words)), key=len)  # either may end above the field
    what = _PLACE.sub("", words.rsplit(" field: ", 1)[-1])
    if unknown := _UNKNOWN_FIELD.search(words):
        name, there_are = unknown.groups()
        what = f"there is no field {name!r}; there are {there_are.replace(chr(39), '')}"
    elif _OF_PYTHON.search(what):
        what = _WRONG_KIND
    return f"{path}: {what}" if path else what


def _refuse(name: str, why: str) -> NoReturn:
    raise InvalidArgument(f"the request is no {name}: {why}", error_pb2.ERROR_REASON_FRAME_INVALID) from None
