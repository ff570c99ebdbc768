"""Errors as they travel: a google.rpc.Status with details on unary calls, a Failure on a session."""

from collections.abc import Mapping
from contextlib import suppress

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from tertulia.chat.v1 import error_pb2, session_pb2

from libs.rpc.errors import CLASS_OF_CODE, FieldViolation, Internal, TertuliaError, Unavailable, internal
from libs.runtime.logs import correlation_id

DOMAIN = "tertulia"
_REASON_PREFIX = "ERROR_REASON_"
_TRANSPORT_FAILED = "the service that does this gave no answer; try again"

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

_REASON_OF_CODE: Mapping[grpc.StatusCode, error_pb2.ErrorReason.ValueType] = {
    # a connection that broke, or a server that stopped, may have received the call
    grpc.StatusCode.UNAVAILABLE: error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
    grpc.StatusCode.CANCELLED: error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED: error_pb2.ERROR_REASON_DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: error_pb2.ERROR_REASON_OVERLOADED,
    grpc.StatusCode.UNIMPLEMENTED: error_pb2.ERROR_REASON_METHOD_UNKNOWN,
}
"""What gRPC itself reports. Any other code is a fault of ours."""


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


def from_failure(failure: session_pb2.Failure) -> TertuliaError:
    """The error that a Failure was made of."""
    code = next((code for code in CLASS_OF_CODE if code.value[0] == failure.code), grpc.StatusCode.INTERNAL)
    return CLASS_OF_CODE[code](
        failure.message,
        failure.reason,
        metadata=dict(failure.metadata),
        retry_after_ms=failure.retry_after_ms,
        field_violations=[FieldViolation(v.field, v.description) for v in failure.field_violations],
    )


def from_rpc_error(error: grpc.aio.AioRpcError) -> TertuliaError:
    """The error that a service raised, made again; or one for what gRPC itself reports."""
    status = _status_of(error)
    return _from_transport(error) if status is None else from_status(status)


def from_status(status: status_pb2.Status) -> TertuliaError:
    """The error that a service raised, made again."""
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    reason = _REASON_OF_CODE.get(code, error_pb2.ERROR_REASON_INTERNAL)
    metadata: dict[str, str] = {}
    retry_after_ms = 0
    violations: list[FieldViolation] = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            with suppress(ValueError):  # the reason of a newer version: the code still says what kind of error it is
                reason = error_pb2.ErrorReason.Value(_REASON_PREFIX + info.reason)
            metadata = dict(info.metadata)
        elif detail.Unpack(bad):
            violations = [FieldViolation(v.field, v.description) for v in bad.field_violations]
        elif detail.Unpack(retry):
            retry_after_ms = retry.retry_delay.ToMilliseconds()
    if reason == error_pb2.ERROR_REASON_CALLER_NOT_ALLOWED:  # we are set up wrongly, which is no matter of our client's
        hidden = internal(correlation_id.get())
        hidden.add_note(status.message)
        return hidden
    made = CLASS_OF_CODE.get(code, Internal)
    return made(status.message, reason, metadata=metadata, retry_after_ms=retry_after_ms, field_violations=violations)


def _from_transport(error: grpc.aio.AioRpcError) -> TertuliaError:
    """gRPC's own words name addresses, and what is raised here may go on to a client (I10): they stay in the traceback."""
    code = error.code()
    made: TertuliaError
    if code in _REASON_OF_CODE:
        made = CLASS_OF_CODE.get(code, Unavailable)(f"{_TRANSPORT_FAILED} ({code.name})", _REASON_OF_CODE[code])
    else:
        made = internal(correlation_id.get())
    made.add_note(f"{code.name}: {error.details()}")
    return made


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    try:
        status: status_pb2.Status | None = rpc_status.from_call(error)  # type: ignore[arg-type] # AioRpcError has all that it reads
    except ValueError:  # code and message were changed on the way: believe the plain ones
        return None
    return status


def unavailable(what: str) -> Unavailable:
    """A peer cannot be reached and nothing was sent to it."""
    return Unavailable(f"{what} does not answer; try again", error_pb2.ERROR_REASON_UNAVAILABLE, retry_after_ms=500)
