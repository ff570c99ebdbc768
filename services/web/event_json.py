"""The JSON of frames, made once for all streams.

`json_format` takes about 100 µs for an event. The gateway sends the same bytes of a slice to everybody in a channel, so the
JSON of a frame is put together from that of its parts, and that of recent parts is kept.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator

from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tertulia.chat.v1 import session_pb2
from tertulia_internal.wire.v1 import raw_pb2

KEPT_BYTES = 8 * 1024 * 1024
"""Of JSON: a second's worth of 10,000 different messages."""


def to_json(message: Message) -> bytes:
    """A message on one line."""
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False).encode()


class FrameJson:
    """Makes the JSON of a ServerFrame from its bytes. `make` makes that of a part."""

    def __init__(self, kept_bytes: int = KEPT_BYTES, make: Callable[[Message], bytes] = to_json) -> None:
        self._kept_bytes = kept_bytes
        self._make = make
        self._fields = dict(_fields())
        self._kept: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        self._bytes = 0

    def of(self, frame: bytes) -> bytes:
        """The JSON of a frame, on one line; of an empty frame `{}`."""
        raw = raw_pb2.RawServerFrame.FromString(frame)
        return b"{" + b", ".join([self._field(field.name, parts) for field, parts in raw.ListFields()]) + b"}"

    def _field(self, name: str, parts: list[bytes]) -> bytes:
        return f'"{self._fields[name][0]}": ['.encode() + b", ".join([self._part(name, part) for part in parts]) + b"]"

    def _part(self, name: str, part: bytes) -> bytes:
        key = (name, part)
        known = self._kept.get(key)
        if known is not None:
            self._kept.move_to_end(key)
            return known
        made = self._make(self._fields[name][1].FromString(part))
        self._kept[key] = made
        self._bytes += len(made) + len(part)
        while self._bytes > self._kept_bytes:
            (_, old), dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped) + len(old)
        return made


def _fields() -> Iterator[tuple[str, tuple[str, type[Message]]]]:
    """Name → name in JSON and class of a part."""
    for field in session_pb2.ServerFrame.DESCRIPTOR.fields:
        assert field.message_type is not None  # noqa: S101 - ServerFrame says so
        yield field.name, (field.json_name, GetMessageClass(field.message_type))
