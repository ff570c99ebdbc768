"""The errors of Tertulia's APIs.

    TertuliaError
    ├── InvalidArgument      the request breaks a rule; it changed nothing
    │   └── FieldsInvalid        lists the fields
    ├── Unauthenticated      who the caller is, is not known
    ├── PermissionDenied     the caller is known and may not
    ├── NotFound             no such thing, or none that the caller may know of
    ├── AlreadyExists        another thing has that id
    ├── FailedPrecondition   the state of the thing does not allow it
    ├── Aborted              somebody else was first; read again and decide anew
    ├── OutOfRange           a search ended at its limit
    ├── ResourceExhausted    a limit is reached
    ├── Unimplemented        no such method
    ├── DeadlineExceeded     the deadline passed; the outcome may be unknown
    ├── Unavailable          nothing was done, or the reason says that the outcome is unknown
    └── Internal             a fault of ours; clients see a correlation id only

Services raise these; `libs.rpc.server` makes a status of them, and `libs.rpc.client` makes them again from a status.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import grpc
from tertulia.chat.v1 import error_pb2

ErrorReason = error_pb2.ErrorReason


class FieldViolation(NamedTuple):
    """A field that broke its rule: its path, and what is wrong with it."""

    field: str
    description: str


class TertuliaError(Exception):
    """A refusal. `str()` of it goes to the client, so it says what happened and what to do next, and nothing internal."""

    code: ClassVar[grpc.StatusCode]

    def __init__(
        self,
        message: str,
        reason: ErrorReason.ValueType,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_ms: int = 0,
        field_violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_after_ms = retry_after_ms
        self.field_violations = tuple(field_violations)


class InvalidArgument(TertuliaError):
    code = grpc.StatusCode.INVALID_ARGUMENT


class FieldsInvalid(InvalidArgument):
    """Fields broke their rules; the message names the first."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        first = violations[0]
        super().__init__(
            f"{first.field}: {first.description}", error_pb2.ERROR_REASON_FIELD_INVALID, field_violations=violations
        )


class Unauthenticated(TertuliaError):
    code = grpc.StatusCode.UNAUTHENTICATED


class PermissionDenied(TertuliaError):
    code = grpc.StatusCode.PERMISSION_DENIED


class NotFound(TertuliaError):
    code = grpc.StatusCode.NOT_FOUND


class AlreadyExists(TertuliaError):
    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(TertuliaError):
    code = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(TertuliaError):
    code = grpc.StatusCode.ABORTED


class OutOfRange(TertuliaError):
    code = grpc.StatusCode.OUT_OF_RANGE


class ResourceExhausted(TertuliaError):
    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unimplemented(TertuliaError):
    code = grpc.StatusCode.UNIMPLEMENTED


class DeadlineExceeded(TertuliaError):
    code = grpc.StatusCode.DEADLINE_EXCEEDED


class Unavailable(TertuliaError):
    code = grpc.StatusCode.UNAVAILABLE


class Internal(TertuliaError):
    code = grpc.StatusCode.INTERNAL


CLASS_OF_CODE: Mapping[grpc.StatusCode, type[TertuliaError]] = {
    cls.code: cls
    for cls in (
        InvalidArgument,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        ResourceExhausted,
        Unimplemented,
        DeadlineExceeded,
        Unavailable,
        Internal,
    )
}


def channel_not_found(channel_id: str) -> NotFound:
    """The one answer to everybody outside a channel, whether it exists or not (I7)."""
    return NotFound(f"no channel {channel_id!r} that you may read", error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND)


def guest_read_only() -> PermissionDenied:
    return PermissionDenied(
        "a guest reads open channels by single calls, and does nothing else; sign in to do more",
        error_pb2.ERROR_REASON_GUEST_READ_ONLY,
    )


def user_not_found(user_id: str) -> NotFound:
    return NotFound(
        f"no user {user_id!r}; create users with UserService.UpsertUsers", error_pb2.ERROR_REASON_USER_NOT_FOUND
    )


def internal(correlation_id: str) -> Internal:
    """All that a client learns of a fault of ours (I10)."""
    return Internal(
        f"the server failed; quote {correlation_id} to its operator",
        error_pb2.ERROR_REASON_INTERNAL,
        metadata={"correlation_id": correlation_id},
    )
