"""Errors as HTTP clients get them: Connect's code, the message, and one google.rpc.ErrorInfo with the stable reason.

In JSON each detail has a readable copy beside its bytes (`debug`), so that `curl` shows the reason.
"""

import base64
import json
from collections.abc import Callable, Mapping

import grpc
import structlog
from connectrpc.code import Code
from connectrpc.errors import ConnectError, ErrorDetail
from google.protobuf import any_pb2, json_format
from protobuf.wkt import Any, Struct
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import (
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    TertuliaError,
    Unimplemented,
    internal,
)
from libs.rpc.status import to_status
from libs.runtime.logs import correlation_id

log = structlog.get_logger()

HTTP_STATUS: Mapping[Code, int] = {
    Code.CANCELED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""As Connect's protocol has it for unary calls."""


_MAX_MESSAGE = 500
"""Characters: messages quote what the client sent, and gRPC-Web has them in a header."""

_OWN_REFUSALS: Mapping[Code, Callable[[str], TertuliaError]] = {
    Code.INVALID_ARGUMENT: lambda words: InvalidArgument(words, error_pb2.ERROR_REASON_FRAME_INVALID),
    Code.RESOURCE_EXHAUSTED: lambda words: ResourceExhausted(words, error_pb2.ERROR_REASON_LIMIT_REACHED),
    Code.UNIMPLEMENTED: lambda words: Unimplemented(words, error_pb2.ERROR_REASON_METHOD_UNKNOWN),
    Code.DEADLINE_EXCEEDED: lambda words: DeadlineExceeded(words, error_pb2.ERROR_REASON_DEADLINE_EXCEEDED),
    Code.INTERNAL: lambda words: InvalidArgument(words, error_pb2.ERROR_REASON_FRAME_INVALID),
}
"""Of what connectrpc refuses by itself: a body that is too large once it is unpacked, a timeout that is no number, a compression
that it does not know, an envelope that says it is compressed where nothing was agreed on (which it calls INTERNAL, as gRPC does;
here that would be a fault of this server's, after which clients try again)."""


class _Detail(ErrorDetail):
    """A detail made by protobuf's other runtime, with its JSON for people."""

    def __init__(self, packed: any_pb2.Any) -> None:
        super().__init__(Any(type_url=packed.type_url, value=packed.value))
        fields = json_format.MessageToDict(packed)
        self._readable = Struct.from_json(json.dumps({k: v for k, v in fields.items() if k != "@type"}))

    def value(self, _of: object = None) -> Struct:  # type: ignore[override] # nobody here asks for another type
        return self._readable


def to_connect_error(error: Exception) -> ConnectError:
    """What a client may know of a failure. A fault of ours is logged and hidden behind the correlation id (I10)."""
    if isinstance(error, ConnectError):
        return error
    if not isinstance(error, TertuliaError):
        log.error("request_failed", exc_info=error)
        error = internal(correlation_id.get())
    status = to_status(error)
    words = status.message if len(status.message) <= _MAX_MESSAGE else f"{status.message[:_MAX_MESSAGE]}…"
    return ConnectError(_code(error.code), words, [_Detail(detail) for detail in status.details])


def with_reason(error: Exception) -> Exception:
    """A refusal of connectrpc's own, which has a code and words, as ours are."""
    if not isinstance(error, ConnectError) or error.details or error.code not in _OWN_REFUSALS:
        return error
    return to_connect_error(_OWN_REFUSALS[error.code](error.message))


def _code(code: grpc.StatusCode) -> Code:
    return Code.CANCELED if code is grpc.StatusCode.CANCELLED else Code[code.name]


def error_json(error: ConnectError) -> bytes:
    """The body of an error, in Connect's form."""
    body: dict[str, object] = {"code": error.code.value, "message": error.message}
    if error.details:
        body["details"] = [_detail_json(detail) for detail in error.details]
    return json.dumps(body, ensure_ascii=False).encode()


def _detail_json(detail: ErrorDetail) -> dict[str, object]:
    value = base64.b64encode(detail.message_bytes).decode().rstrip("=")
    made: dict[str, object] = {"type": detail.type_name, "value": value}
    if isinstance(detail, _Detail):
        made["debug"] = json.loads(detail.value().to_json())
    return made
