"""What can go wrong.

    TertuliaError
    ├── Refused                  a server answered no; `reason` says why, by name
    │   ├── InvalidArgument          the request breaks a rule (FIELD_INVALID, REPLY_TARGET_INVALID …)
    │   ├── Unauthenticated          the token is missing, wrong, expired or revoked (TOKEN_EXPIRED …)
    │   ├── PermissionDenied         known, but not allowed (NOT_ALLOWED, BLOCKED, NOT_JOINED, GUEST_READ_ONLY, SERVER_KEY_REQUIRED …)
    │   ├── NotFound                 no such thing, or none that you may know of (CHANNEL_NOT_FOUND …)
    │   ├── AlreadyExists            the id is taken (CLIENT_ID_REUSED, CHANNEL_EXISTS)
    │   ├── FailedPrecondition       the thing's state does not allow it (MESSAGE_DELETED, LAST_OWNER, DIRECT_CHANNEL_FIXED)
    │   ├── Aborted                  somebody was faster (ETAG_MISMATCH): read it again
    │   ├── OutOfRange               a search ended at its limit (DEDUP_SCAN_LIMIT)
    │   ├── ResourceExhausted        a limit is reached (LIMIT_REACHED, RATE_LIMITED, SLOW_MODE, OVERLOADED)
    │   ├── Unimplemented            the server has no such method (METHOD_UNKNOWN)
    │   ├── Unavailable              a service behind the gateway does not answer (UNAVAILABLE)
    │   └── ServerFault              a fault of the server; quote the message to its operator (INTERNAL)
    ├── Unreachable              no server answered before the deadline, and nothing was done
    ├── OutcomeUnknown           the deadline passed after the request went out; it may have been done
    ├── SessionEnded             the server said goodbye for good
    ├── ClientClosed             the client was closed
    └── SecretInvalid            not a secret of the form `sk.<application>.<key>.<text>`

`Refused` that mend themselves (see `retryable`) are retried by the SDK until the caller's deadline and seen only then.
The reasons are those of `tertulia.chat.v1.ErrorReason` without their prefix.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tertulia.chat.v1 import error_pb2, session_pb2

_PREFIX = "ERROR_REASON_"
# SLOW_MODE is not among them: it may last for hours, and a person is to be told at once
_RETRYABLE = frozenset({"UNAVAILABLE", "OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", "OVERLOADED", "RATE_LIMITED"})


class FieldViolation(NamedTuple):
    """A field that broke its rule: its path, and what is wrong with it."""

    field: str
    description: str


class TertuliaError(Exception):
    """The root of all that this package raises on purpose."""


class Refused(TertuliaError):
    """A server answered no. `str()` of it is for people; programs look at `reason`."""

    def __init__(
        self,
        message: str,
        reason: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_ms: int = 0,
        field_violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        """Why, by name: "CHANNEL_NOT_FOUND"."""
        self.metadata = dict(metadata or {})
        """Facts that belong to the reason."""
        self.retry_after_ms = retry_after_ms
        """How long to wait before another try, in milliseconds; 0: nothing is known of that."""
        self.field_violations = tuple(field_violations)
        """For FIELD_INVALID: which fields."""

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later; the outcome of this try may be unknown."""
        return self.reason in _RETRYABLE


class InvalidArgument(Refused):
    pass


class Unauthenticated(Refused):
    pass


class PermissionDenied(Refused):
    pass


class NotFound(Refused):
    pass


class AlreadyExists(Refused):
    pass


class FailedPrecondition(Refused):
    pass


class Aborted(Refused):
    pass


class OutOfRange(Refused):
    pass


class ResourceExhausted(Refused):
    pass


class Unimplemented(Refused):
    pass


class Unavailable(Refused):
    pass


class ServerFault(Refused):
    pass


class Unreachable(TertuliaError):
    """No server answered before the deadline. Nothing was done."""


class OutcomeUnknown(TertuliaError):
    """The deadline passed after the request went out: it may have been done.

    A message may be sent again under the same `client_message_id` and `after_seq`; it takes effect once. An edit, a deletion
    and a reaction may be asked for again: done twice, each is as done once.
    """

    def __init__(self, message: str, client_message_id: str = "", after_seq: int | None = None) -> None:
        super().__init__(message)
        self.client_message_id = client_message_id
        self.after_seq = after_seq


class SessionEnded(TertuliaError):
    """The server said goodbye and not to come back."""


class ClientClosed(TertuliaError):
    """The client was closed, or never opened."""


NOT_ENTERED = "the client is not open: use `async with tertulia.connect(…) as client`"


class SecretInvalid(TertuliaError, ValueError):
    """The secret has not the form `sk.<application>.<key>.<text>`."""


_CLASS_OF_CODE: Mapping[int, type[Refused]] = {
    code.value[0]: cls
    for code, cls in {
        grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
        grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
        grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
        grpc.StatusCode.NOT_FOUND: NotFound,
        grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
        grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
        grpc.StatusCode.ABORTED: Aborted,
        grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
        grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
        grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
        grpc.StatusCode.UNAVAILABLE: Unavailable,
        grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
        grpc.StatusCode.INTERNAL: ServerFault,
    }.items()
}
_REASON_OF_TRANSPORT: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.UNAUTHENTICATED: "TOKEN_INVALID",
    grpc.StatusCode.PERMISSION_DENIED: "NOT_ALLOWED",
    grpc.StatusCode.INVALID_ARGUMENT: "FRAME_INVALID",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "OVERLOADED",
    grpc.StatusCode.UNIMPLEMENTED: "METHOD_UNKNOWN",
    grpc.StatusCode.UNAVAILABLE: "UNAVAILABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
}


def from_failure(failure: session_pb2.Failure) -> Refused:
    """The error that answers one command of a session."""
    return _CLASS_OF_CODE.get(failure.code, ServerFault)(
        failure.message,
        reason_name(failure.reason),
        metadata=failure.metadata,
        retry_after_ms=failure.retry_after_ms,
        field_violations=[FieldViolation(v.field, v.description) for v in failure.field_violations],
    )


def from_stream(error: grpc.aio.AioRpcError) -> Refused:
    """The error that ended a stream: what a server said in google.rpc.Status, or what gRPC itself reports."""
    message = error.details() or error.code().name
    reason = _REASON_OF_TRANSPORT.get(error.code(), "INTERNAL")
    metadata: Mapping[str, str] = {}
    retry_after_ms = 0
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in _details(error):
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(retry):
            retry_after_ms = retry.retry_delay.ToMilliseconds()
    return _CLASS_OF_CODE.get(error.code().value[0], ServerFault)(
        message, reason, metadata=metadata, retry_after_ms=retry_after_ms
    )


def _details(error: grpc.aio.AioRpcError) -> Sequence[status_pb2.Status]:
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type] # AioRpcError has all that it reads
    except ValueError:  # a proxy changed code or message on the way: believe the plain ones
        return ()
    return () if status is None else tuple(status.details)


def reason_name(reason: int) -> str:
    """The name of a reason, also of one that a newer server has."""
    try:
        return error_pb2.ErrorReason.Name(error_pb2.ErrorReason.ValueType(reason)).removeprefix(_PREFIX)
    except ValueError:
        return f"REASON_{reason}"
