"""What connectrpc encodes and decodes with: the door passes bytes on, so only JSON is ever parsed."""

import zlib
from typing import NamedTuple, cast

from connectrpc.codec import Codec
from connectrpc.compression.gzip import GzipCompression
from google.protobuf.message import Message
from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import InvalidArgument
from services.web.errors import to_connect_error
from services.web.event_json import FrameJson, to_json
from services.web.json_requests import parse_json


class Encoded(NamedTuple):
    """A message of the gateway's as it came."""

    message_class: type[Message]
    data: bytes


class Gzip(GzipCompression):
    """What requests may be packed with; their size once unpacked is limited."""

    def decompress(self, data: bytes | bytearray | memoryview, read_max_bytes: int | None = None) -> bytes:
        try:
            return super().decompress(data, read_max_bytes)
        except (zlib.error, EOFError):
            raise to_connect_error(_no_gzip()) from None


def _no_gzip() -> InvalidArgument:
    return InvalidArgument(
        "the request says that it is gzip and is none, or not all of it; send it as it is, or compress it as a whole",
        error_pb2.ERROR_REASON_FRAME_INVALID,
    )


class BinaryCodec(Codec[Encoded, bytes]):
    """Protobuf's bytes, which the gateway judges."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Encoded) -> bytes:
        return message.data

    def decode(self, data: bytes | bytearray, message_class: type[bytes]) -> bytes:  # noqa: ARG002 - connectrpc's signature
        return bytes(data)


class JsonCodec(Codec[Encoded, bytes]):
    """Protobuf's JSON mapping. Unknown fields are refused: a misspelt one would otherwise be left out in silence."""

    def __init__(self, frames: FrameJson) -> None:
        self._frames = frames

    def name(self) -> str:
        return "json"

    def encode(self, message: Encoded) -> bytes:
        try:
            return self.json(message)
        except Exception as error:  # connectrpc would show the text of others to the client
            raise to_connect_error(error) from error

    def json(self, message: Encoded) -> bytes:
        """The JSON of a message, on one line."""
        if message.message_class is session_pb2.ServerFrame:
            return self._frames.of(message.data)
        return to_json(message.message_class.FromString(message.data))

    def decode(self, data: bytes | bytearray, message_class: type[bytes]) -> bytes:
        try:
            return parse_json(bytes(data), cast("type[Message]", message_class))
        except InvalidArgument as error:
            raise to_connect_error(error) from None
