"""A send between its two shapes: what the client said, what message_store appends, and what its outcome means to the client."""

from dataclasses import dataclass
from typing import Protocol

from tertulia.chat.v1 import error_pb2, event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import (
    AlreadyExists,
    FieldsInvalid,
    FieldViolation,
    InvalidArgument,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    TertuliaError,
    Unavailable,
)
from services.gateway.grants import Grant

_ITEM_BYTES = 200  # what an append costs beside its content
_RETRY_MS = 500


class Sender(Protocol):
    """Hears of the outcomes of its sends: one call per send, then `flush` after those that came together."""

    def acked(self, request_id: int, seq: int, time_ms: int) -> None: ...

    def failed(self, request_id: int, error: TertuliaError) -> None: ...

    def flush(self) -> None: ...


Lane = tuple[Sender, bytes]


@dataclass(slots=True, eq=False)
class Append:
    """A send that was found valid and allowed."""

    sender: Sender
    request_id: int
    grant: Grant
    item: log_pb2.AppendItem
    size: int
    """Bytes that it is counted with."""
    deadline: float = 0.0
    authorisations: int = 0

    @property
    def lane(self) -> Lane:
        return (self.sender, self.grant.log.log_id)


def new_append(
    sender: Sender,
    request_id: int,
    caller: Caller,
    grant: Grant,
    message: event_pb2.Message,
    client_message_id: str,
    after_seq: int | None,
) -> Append:
    """An append of a message whose rules were checked.

    Raises:
        PermissionDenied: SERVER_KEY_REQUIRED: `original_time_ms` is not for users.
    """
    if message.original_time_ms and not caller.server:
        raise PermissionDenied(
            "original_time_ms is for imports with a server key", error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED
        )
    message.DiscardUnknownFields()  # a later version may give them a meaning
    event = event_pb2.Event(message=message)
    content = event.SerializeToString(deterministic=True)
    item = log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=grant.log.application_id, log_id=grant.log.log_id),
        kind=log_pb2.EVENT_KIND_MESSAGE,
        sender_user_id=caller.user_id,
        client_id=client_message_id,
        after_seq=after_seq,
        content=content,
        target_seq=message.reply_to_seq,
    )
    return Append(sender, request_id, grant, item, len(content) + _ITEM_BYTES)


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


def not_sent() -> Unavailable:
    return Unavailable(
        "the message could not be written in time and was not; send it again",
        error_pb2.ERROR_REASON_UNAVAILABLE,
        retry_after_ms=_RETRY_MS,
    )
