"""What the headers of a call say."""

import binascii
import re
from collections.abc import Sequence
from typing import NamedTuple

from h2.exceptions import ProtocolError
from h2.utilities import HeaderValidationFlags, validate_headers
from tertulia.chat.v1 import error_pb2

from libs.http2.limits import MAX_HEADER_BYTES
from libs.rpc.errors import InvalidArgument, ResourceExhausted, TertuliaError, Unimplemented

RawHeaders = Sequence[tuple[bytes, bytes]]
Metadata = Sequence[tuple[str, str | bytes]]

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_SECONDS_OF_UNIT = {b"H": 3_600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_HEADER_OVERHEAD_BYTES = 32  # RFC 9113, 6.5.2
_FLAGS = HeaderValidationFlags(is_client=False, is_trailer=False, is_response_header=False, is_push_promise=False)
_OF_THE_PROTOCOL = frozenset((b"te", b"content-type", b"user-agent"))


class NoGrpc(Exception):
    """A request of HTTP/2 that is no gRPC call."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
        """The HTTP status that says so."""


class Request(NamedTuple):
    """A call, before its messages."""

    path: str
    """"/<service>/<method>"."""
    metadata: Metadata
    seconds: float | None
    """How long the client will wait."""
    error: TertuliaError | None
    """Why the call cannot be served, whatever its messages are."""


def parse_request(headers: RawHeaders) -> Request:
    """Read a call's headers, whatever they are. Of those that cannot be accepted nothing is kept.

    Raises:
        NoGrpc: see there.
    """
    refusal = _refusal(headers)
    if refusal is not None:
        return Request("", (), None, refusal)
    path, method, content_type = "", b"", b""
    seconds: float | None = None
    error: TertuliaError | None = None
    metadata: list[tuple[str, str | bytes]] = []
    for name, value in headers:
        if name == b":path":
            path = value.decode(errors="replace")
        elif name == b":method":
            method = value
        elif name == b"content-type":
            content_type = value
        elif name == b"grpc-timeout":
            seconds = _seconds(value)
            if seconds is None:
                error = InvalidArgument("grpc-timeout is malformed", error_pb2.ERROR_REASON_FRAME_INVALID)
        elif name == b"grpc-encoding" and value != b"identity":
            error = Unimplemented("messages cannot be compressed here", error_pb2.ERROR_REASON_FRAME_INVALID)
        elif not name.startswith((b":", b"grpc-")) and name not in _OF_THE_PROTOCOL:
            metadata.append(_item(name, value))
    if method != b"POST":
        raise NoGrpc(405)
    if content_type.partition(b";")[0].partition(b"+")[0] != b"application/grpc":
        raise NoGrpc(415)
    return Request(path, metadata, seconds, error)


def _refusal(headers: RawHeaders) -> TertuliaError | None:
    size = sum(len(name) + len(value) + _HEADER_OVERHEAD_BYTES for name, value in headers)
    if size > MAX_HEADER_BYTES:
        return ResourceExhausted(
            f"headers of {size} bytes; a call may have {MAX_HEADER_BYTES}", error_pb2.ERROR_REASON_LIMIT_REACHED
        )
    try:
        for _ in validate_headers(headers, _FLAGS):
            pass
    except ProtocolError:  # what it says quotes the header, which may be a token
        return InvalidArgument(
            "the headers break HTTP/2's rules: names in lower case, no white space around values, no line breaks in them, "
            "nothing about the connection, and each pseudo header once and first",
            error_pb2.ERROR_REASON_FRAME_INVALID,
        )
    return None


def _seconds(value: bytes) -> float | None:
    match = _TIMEOUT.fullmatch(value)
    return int(match[1]) * _SECONDS_OF_UNIT[match[2]] if match else None


def _item(name: bytes, value: bytes) -> tuple[str, str | bytes]:
    key = name.decode(errors="replace")
    if key.endswith("-bin"):
        try:
            return key, binascii.a2b_base64(value + b"=" * (-len(value) % 4))
        except binascii.Error:
            return key, b""
    return key, value.decode(errors="replace")
