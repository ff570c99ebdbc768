"""Errors as they travel: a google.rpc.Status with details on unary calls, a Failure on a session."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import CLASS_OF_CODE, FieldViolation, Internal, TertuliaError, Unavailable

DOMAIN = "tertulia"
_REASON_PREFIX = "ERROR_REASON_"
_TRANSPORT_FAILED = "the service that does this gave no answer; try again"


def to_status(error: TertuliaError) -> status_pb2.Status:
    """The canonical code, one ErrorInfo, and BadRequest or RetryInfo where they help."""
    details: list[any_pb2.Any] = [any_pb2.Any() for _ in range(3)]
    info = error_details_pb2.ErrorInfo(
        reason=error_pb2.ErrorReason.Name(error.reason).removeprefix(_REASON_PREFIX),
        domain=DOMAIN,
        metadata=error.metadata,
    )
    details[0].Pack(info)
    kept = 1
    if error.field_violations:
        bad = error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
                for v in error.field_violations
            ]
        )
        details[kept].Pack(bad)
        kept += 1
    if error.retry_after_ms:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        details[kept].Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        kept += 1
    return status_pb2.Status(code=error.code.value[0], message=error.message, details=details[:kept])


def to_failure(request_id: int, error: TertuliaError) -> session_pb2.Failure:
    """The same on a session, in answer to one command."""
    return session_pb2.Failure(
        request_id=request_id,
        code=error.code.value[0],
        message=error.message,
        reason=error.reason,
        metadata=error.metadata,
        retry_after_ms=error.retry_after_ms,
        field_violations=[
            session_pb2.FieldViolation(field=v.field, description=v.description) for v in error.field_violations
        ],
    )


def from_rpc_error(error: grpc.aio.AioRpcError) -> TertuliaError:
    """The error that a service raised, made again; or one for what gRPC itself reports."""
    cls = CLASS_OF_CODE.get(error.code(), Internal)
    reason = _reason_of_transport(error.code())
    metadata: dict[str, str] = {}
    retry_after_ms = 0
    violations: list[FieldViolation] = []
    status = _status_of(error)
    if status is None:
        # gRPC's own words name addresses, and what is raised here may go on to a client (I10): they stay in the traceback
        made = _make(cls, f"{_TRANSPORT_FAILED} ({error.code().name})", reason, metadata, retry_after_ms, violations)
        made.add_note(error.details() or "")
        return made
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = error_pb2.ErrorReason.Value(_REASON_PREFIX + info.reason)
            metadata = dict(info.metadata)
        elif detail.Unpack(bad):
            violations = [FieldViolation(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after_ms = retry.retry_delay.ToMilliseconds()
    return _make(cls, status.message, reason, metadata, retry_after_ms, violations)


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type] # AioRpcError has all that it reads
    except ValueError:  # code and message were changed on the way: believe the plain ones
        return None
    return status


def _reason_of_transport(code: grpc.StatusCode) -> error_pb2.ErrorReason.ValueType:
    """What gRPC itself reports: a connection that broke may have delivered the call, so its outcome is unknown."""
    if code is grpc.StatusCode.UNAVAILABLE:
        return error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return error_pb2.ERROR_REASON_DEADLINE_EXCEEDED
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return error_pb2.ERROR_REASON_OVERLOADED
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return error_pb2.ERROR_REASON_METHOD_UNKNOWN
    return error_pb2.ERROR_REASON_INTERNAL


def _make(
    cls: type[TertuliaError],
    message: str,
    reason: error_pb2.ErrorReason.ValueType,
    metadata: dict[str, str],
    retry_after_ms: int,
    violations: list[FieldViolation],
) -> TertuliaError:
    error = cls.__new__(cls)
    TertuliaError.__init__(
        error, message, reason, metadata=metadata, retry_after_ms=retry_after_ms, field_violations=violations
    )
    return error


def unavailable(what: str) -> Unavailable:
    """A peer cannot be reached and nothing was sent to it."""
    return Unavailable(f"{what} does not answer; try again", error_pb2.ERROR_REASON_UNAVAILABLE, retry_after_ms=500)
