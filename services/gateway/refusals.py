"""What a refusal of message_store means to the client who sent."""

from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.errors import (
    AlreadyExists,
    FieldsInvalid,
    FieldViolation,
    InvalidArgument,
    OutOfRange,
    ResourceExhausted,
    TertuliaError,
    Unavailable,
)

_RETRY_MS = 500


def refusal_error(result: log_pb2.AppendResult) -> TertuliaError:
    """The error of an item that was refused for good."""
    match result.refusal:
        case log_pb2.APPEND_REFUSAL_CLIENT_ID_REUSED:
            return AlreadyExists(
                "client_message_id was used before for another message; take a new one",
                error_pb2.ERROR_REASON_CLIENT_ID_REUSED,
            )
        case log_pb2.APPEND_REFUSAL_DEDUP_SCAN_LIMIT:
            return OutOfRange(
                "the search for an earlier try is not complete; retry with after_seq at scanned_to_seq",
                error_pb2.ERROR_REASON_DEDUP_SCAN_LIMIT,
                metadata={"scanned_to_seq": str(result.seq)},
            )
        case log_pb2.APPEND_REFUSAL_TARGET_MISSING:
            return InvalidArgument(
                "reply_to_seq names no message of this channel", error_pb2.ERROR_REASON_REPLY_TARGET_INVALID
            )
        case log_pb2.APPEND_REFUSAL_AFTER_SEQ_ABOVE_HEAD:
            return FieldsInvalid([FieldViolation("after_seq", "is above the channel's head")])
        case log_pb2.APPEND_REFUSAL_OVERLOADED:
            return ResourceExhausted(
                "the channel has too much waiting to be written; send it again later",
                error_pb2.ERROR_REASON_OVERLOADED,
                retry_after_ms=_RETRY_MS,
            )
        case _:  # a refusal that this version does not know: it refused, but the client can only try again
            return Unavailable("the message was refused; send it again", error_pb2.ERROR_REASON_UNAVAILABLE)


def outcome_unknown() -> Unavailable:
    return Unavailable(
        "whether the message was written is not known; send it again under the same client_message_id",
        error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
        retry_after_ms=_RETRY_MS,
    )
