"""Strategies: messages of any type from its descriptor, their bytes as a broken client might send them, and their JSON."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import reject
from hypothesis import strategies as st
from tertulia.chat.v1 import session_pb2

from tests.e2e.security.every_method import METHODS, Method

MessageType = TypeVar("MessageType", bound=Message)
Words: TypeAlias = Mapping[str, Sequence[str]]
"""By the name of a field: texts that mean something there, as the ids of channels that exist."""

_NASTY = (
    "", "\0", "*", ">", "a.b", "../..", "%00", "'; DROP TABLE users; --", '{"$ne": null}', "\u202e", "\ufeff", "\ud7ff", "é" * 33,
    "🎉" * 64, "a" * 65, "a" * 129, "a" * 2_049, "a" * 10_001,
)  # fmt: skip
_TEXTS = st.one_of(st.sampled_from(_NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
_EDGES = (
    0,
    1,
    2,
    3,
    7,
    100,
    101,
    257,
    2**31 - 1,
    2**32 - 1,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**64 - 1,
    -1,
    -(2**31),
    -(2**63),
)
_MAX_DEPTH = 3
_MANY = 300
"""More than any list may have."""

_BITS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31), FieldDescriptor.TYPE_INT64: (-(2**63), 2**63),
    FieldDescriptor.TYPE_UINT32: (0, 2**32), FieldDescriptor.TYPE_UINT64: (0, 2**64),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31),
}  # fmt: skip


class Inputs:
    """Makes them in the words of one scene."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._calls = self._call()
        self._requests = {method.name: wire(self.messages(GetMessageClass(method.request))) for method in METHODS}

    def messages(self, message_class: type[MessageType], depth: int = 0) -> st.SearchStrategy[MessageType]:
        """A message of this type. Each field is there or not, with a value that is good, bad, or at an edge."""
        fields: list[FieldDescriptor] = list(message_class.DESCRIPTOR.fields)  # type: ignore[arg-type] # upb's own are the same
        is_frame = all(field.message_type is not None for field in fields)
        likely = 3 if is_frame else 8  # of 10; no request without most of its fields would get far
        values = [
            (field.name, self._values(field, depth))
            for field in fields
            if field.message_type is None or depth < _MAX_DEPTH
        ]

        @st.composite
        def message(draw: st.DrawFn) -> MessageType:
            made = message_class()
            for name, value in values:
                if draw(st.integers(0, 9)) < likely:
                    _set(made, name, draw(value))
            return made

        return message()

    def requests(self, method: Method) -> st.SearchStrategy[bytes]:
        """What may be sent as the request of a method."""
        return self._requests[method.name]

    def _values(self, field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
        one: st.SearchStrategy[Any]
        if field.message_type is None:
            one = self._scalars(field)
        elif field.message_type is session_pb2.Call.DESCRIPTOR:
            one = self._calls
        else:
            one = self.messages(GetMessageClass(field.message_type), depth + 1)
        if not field.is_repeated:
            return one
        several = st.lists(one, max_size=3)
        too_many = one.map(lambda value: [value] * _MANY)
        return st.integers(0, 19).flatmap(lambda dice: too_many if dice == 0 else several)

    def _scalars(self, field: FieldDescriptor) -> st.SearchStrategy[Any]:
        if field.type == FieldDescriptor.TYPE_STRING:
            known = self._words.get(field.name)
            return st.one_of(st.sampled_from(known), st.sampled_from(known), _TEXTS) if known else _TEXTS
        if field.type == FieldDescriptor.TYPE_BYTES:
            return st.one_of(st.binary(max_size=40), st.binary(min_size=16, max_size=16))
        if field.type == FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        low, high = _BITS[field.type]  # a kind of number that the API has not used so far is told here
        edges = [edge for edge in _EDGES if low <= edge < high]
        if field.enum_type is not None:
            edges += [value.number for value in field.enum_type.values] * 3
        return st.sampled_from(edges)

    def _call(self) -> st.SearchStrategy[session_pb2.Call]:
        """A `Call` of any method, with a request of its type."""

        @st.composite
        def call(draw: st.DrawFn) -> session_pb2.Call:
            method = draw(st.sampled_from(METHODS))
            return session_pb2.Call(
                request_id=draw(st.integers(0, 9)),
                method=draw(st.sampled_from([method.name] * 9 + ["Nothing/AtAll"])),
                request=draw(self.requests(method)),
                as_user_id=draw(st.sampled_from(["", "", *self._words["user_id"]])),
            )

        return call()


def _set(message: Message, name: str, value: object) -> None:
    if isinstance(value, Message):
        getattr(message, name).CopyFrom(value)
        getattr(message, name).SetInParent()
    elif isinstance(value, list):
        getattr(message, name).extend(value)
    else:
        setattr(message, name, value)


def wire(strategy: st.SearchStrategy[MessageType]) -> st.SearchStrategy[bytes]:
    """The bytes of a message: mostly as they should be, else cut off, doubled, with a byte changed, or with something behind."""

    @st.composite
    def sent(draw: st.DrawFn) -> bytes:
        data = draw(strategy).SerializeToString()
        how = draw(st.integers(0, 19))
        at = draw(st.integers(0, max(len(data) - 1, 0))) if how < 4 else 0
        match how:
            case 0 | 1:
                return data[:at]
            case 2 | 3:
                return data[:at] + draw(st.binary(min_size=1, max_size=1)) + data[at + 1 :]
            case 4:
                return data + data
            case 5:
                return data + draw(st.binary(max_size=20))
            case 6:
                return draw(st.binary(max_size=60))
            case _:
                return data

    return sent()


_OTHER_JSON: st.SearchStrategy[Any] = st.sampled_from(
    (None, True, 0, -1, 1.5, 1e308, 2**64, "", "x", "1e3", [], {}, [[]], {"$ne": None}, {"$gt": ""}, [None], "\ud800", ["x"] * _MANY)
)  # fmt: skip


def json_values(strategy: st.SearchStrategy[MessageType]) -> st.SearchStrategy[Any]:
    """A message's JSON, in which any value may have been put in the place of another."""

    @st.composite
    def value(draw: st.DrawFn) -> Any:
        message = draw(strategy)
        try:
            return _replaced(draw, json_format.MessageToDict(message))
        except json_format.SerializeToJsonError:  # such a mask has no form in JSON
            reject()

    return value()


def _replaced(draw: st.DrawFn, value: Any) -> Any:
    if draw(st.integers(0, 11)) == 0:
        return draw(_OTHER_JSON)
    if isinstance(value, dict):
        return {name: _replaced(draw, inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) < _MANY:
        return [_replaced(draw, inner) for inner in value]
    return value


def http2_frames() -> st.SearchStrategy[bytes]:
    """Frames of HTTP/2 that are none of any conversation, and what is no frame."""
    frame = st.tuples(
        st.integers(0, 10), st.integers(0, 255), st.sampled_from((0, 1, 2, 3, 5, 2**31 - 1)), st.binary(max_size=40)
    )
    return st.lists(st.one_of(frame.map(lambda parts: _http2_frame(*parts)), st.binary(max_size=30)), max_size=8).map(
        b"".join
    )


def _http2_frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream_id.to_bytes(4) + payload
