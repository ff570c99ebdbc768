"""A write between its two shapes: what the client asked for, what message_store appends, and what its outcome means to the
client."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tertulia.chat.v1 import error_pb2, event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import shard_of
from libs.rpc.caller import Caller
from libs.rpc.errors import (
    AlreadyExists,
    FailedPrecondition,
    FieldsInvalid,
    FieldViolation,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    TertuliaError,
    Unavailable,
)
from services.gateway.grants import Grant, Grants

_ITEM_BYTES = 200  # what an append costs beside its content
_RETRY_MS = 500


class Sender(Protocol):
    """Hears of the outcomes of its writes: one call per write, then `flush` after those that came together."""

    def acked(self, request_id: int, seq: int, time_ms: int) -> None: ...

    def failed(self, request_id: int, error: TertuliaError) -> None: ...

    def flush(self) -> None: ...


Lane = tuple[Sender, bytes]


class Act(NamedTuple):
    """What somebody wants to do in a channel, whose rules were checked."""

    kind: log_pb2.EventKind.ValueType
    event: event_pb2.Event
    target_seq: int


def say(caller: Caller, message: event_pb2.Message) -> Act:
    """Say something.

    Raises:
        PermissionDenied: SERVER_KEY_REQUIRED: `original_time_ms` is not for users.
    """
    if message.original_time_ms and not caller.server:
        raise PermissionDenied(
            "original_time_ms is for imports with a server key", error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED
        )
    message.DiscardUnknownFields()  # a later version may give them a meaning
    return Act(log_pb2.EVENT_KIND_MESSAGE, event_pb2.Event(message=message), message.reply_to_seq)


def edit(target_seq: int, message: event_pb2.Message) -> Act:
    """Give a message another content; what it answers and when it was first said stay."""
    message.DiscardUnknownFields()
    message.ClearField("reply_to_seq")
    message.ClearField("original_time_ms")
    edited = event_pb2.MessageEdited(target_seq=target_seq, message=message)
    return Act(log_pb2.EVENT_KIND_EDIT, event_pb2.Event(message_edited=edited), target_seq)


def delete(target_seq: int) -> Act:
    """Delete a message."""
    deleted = event_pb2.MessageDeleted(target_seq=target_seq)
    return Act(log_pb2.EVENT_KIND_DELETION, event_pb2.Event(message_deleted=deleted), target_seq)


def react(target_seq: int, key: str, *, removed: bool) -> Act:
    """React to a message, or take that back."""
    changed = event_pb2.ReactionChanged(target_seq=target_seq, key=key, removed=removed)
    return Act(log_pb2.EVENT_KIND_REACTION, event_pb2.Event(reaction_changed=changed), target_seq)


@dataclass(slots=True, eq=False)
class Append:
    """An act on its way to the log."""

    sender: Sender
    request_id: int
    grant: Grant
    server: bool
    """Asked for with a server key."""
    kind: log_pb2.EventKind.ValueType
    item: log_pb2.AppendItem
    size: int
    """Bytes that it is counted with."""
    shard: int
    """Of its log."""
    decided_version: int = -1
    """The policy version under which it was decided; -1: it was not yet."""
    refusal: PermissionDenied | None = None
    """Why it may not be done: the owner is only asked whether it was, by an earlier try."""
    deadline: float = 0.0
    authorisations: int = 0

    @property
    def lane(self) -> Lane:
        return (self.sender, self.grant.log.log_id)

    def decide(self) -> None:
        """Allow it or not, under what is known now: the owner refuses both if there is a newer policy.

        Server keys may do everything.
        """
        grant = self.grant
        if not self.server:
            self.refusal = None if self._is_allowed(grant) else not_allowed(grant)
            self.item.earlier_try_only = self.refusal is not None
        self.item.policy_version = self.decided_version = grant.policy_version

    def _is_allowed(self, grant: Grant) -> bool:
        item = self.item
        if self.kind == log_pb2.EVENT_KIND_MESSAGE:
            item.slow_mode_ms = 0 if grant.may_moderate else grant.slow_mode_ms
            return grant.may_send
        if self.kind == log_pb2.EVENT_KIND_REACTION:
            return grant.may_react
        if self.kind == log_pb2.EVENT_KIND_DELETION and grant.may_moderate:
            item.ClearField("target_sender_user_id")
            return True
        item.target_sender_user_id = item.sender_user_id
        return grant.may_send

    def error_of(self, result: log_pb2.AppendResult) -> TertuliaError:
        """What a refusal by the owner means to the client."""
        if result.refusal == log_pb2.APPEND_REFUSAL_NO_EARLIER_TRY and self.refusal is not None:
            return self.refusal
        return refusal_error(self.kind, result)


def new_append(
    sender: Sender, request_id: int, caller: Caller, grant: Grant, act: Act, client_id: str, after_seq: int | None
) -> Append:
    """An append of an act; not decided yet, see `decide`."""
    content = act.event.SerializeToString(deterministic=True)
    item = log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=grant.log.application_id, log_id=grant.log.log_id),
        kind=act.kind,
        sender_user_id=caller.user_id,
        client_id=client_id,
        after_seq=after_seq,
        content=content,
        target_seq=act.target_seq,
    )
    return Append(
        sender, request_id, grant, caller.server, act.kind, item, len(content) + _ITEM_BYTES, shard_of(grant.log)
    )


async def decide(append: Append, grants: Grants) -> None:
    """Allow an append or not. Nobody is refused under what is known here: it may be old, so channel is asked first.

    Raises:
        PermissionDenied: NOT_JOINED.
        NotFound: CHANNEL_NOT_FOUND.
        TertuliaError: channel does not answer.
    """
    append.decide()
    if append.refusal is not None:
        await grants.renew(append.grant)
        append.decide()


def not_allowed(grant: Grant) -> PermissionDenied:
    """Why somebody may not speak or react."""
    if grant.blocked:
        return PermissionDenied(
            "one of the two people of this channel has blocked the other: neither may write in it",
            error_pb2.ERROR_REASON_BLOCKED,
        )
    return PermissionDenied(
        "the channel's kind or your role in it does not allow this; its owners and operators may do more",
        error_pb2.ERROR_REASON_NOT_ALLOWED,
    )


def refusal_error(kind: log_pb2.EventKind.ValueType, result: log_pb2.AppendResult) -> TertuliaError:
    """The error of an item that was refused for good."""
    match result.refusal:
        case log_pb2.APPEND_REFUSAL_CLIENT_ID_REUSED:
            return AlreadyExists(
                "the client's id was used before for something else; take a new one",
                error_pb2.ERROR_REASON_CLIENT_ID_REUSED,
            )
        case log_pb2.APPEND_REFUSAL_DEDUP_SCAN_LIMIT:
            return OutOfRange(
                "the search for an earlier try is not complete; retry with after_seq at scanned_to_seq",
                error_pb2.ERROR_REASON_DEDUP_SCAN_LIMIT,
                metadata={"scanned_to_seq": str(result.seq)},
            )
        case log_pb2.APPEND_REFUSAL_AFTER_SEQ_ABOVE_HEAD:
            return FieldsInvalid([FieldViolation("after_seq", "is above the channel's head")])
        case log_pb2.APPEND_REFUSAL_OVERLOADED:
            return ResourceExhausted(
                "the channel has too much waiting to be written; try again later",
                error_pb2.ERROR_REASON_OVERLOADED,
                retry_after_ms=_RETRY_MS,
            )
        case log_pb2.APPEND_REFUSAL_SLOW_MODE:
            return ResourceExhausted(
                f"the channel is in slow mode; send it again in {result.retry_after_ms / 1000:.0f} s",
                error_pb2.ERROR_REASON_SLOW_MODE,
                retry_after_ms=max(result.retry_after_ms, 1),
            )
        case _:
            return _target_error(kind, result)


def _target_error(kind: log_pb2.EventKind.ValueType, result: log_pb2.AppendResult) -> TertuliaError:
    match result.refusal:
        case log_pb2.APPEND_REFUSAL_TARGET_MISSING if kind == log_pb2.EVENT_KIND_MESSAGE:
            return InvalidArgument(
                "reply_to_seq names no message of this channel", error_pb2.ERROR_REASON_REPLY_TARGET_INVALID
            )
        case log_pb2.APPEND_REFUSAL_TARGET_MISSING:
            return NotFound("no message at that seq", error_pb2.ERROR_REASON_MESSAGE_NOT_FOUND)
        case log_pb2.APPEND_REFUSAL_TARGET_DELETED:
            return FailedPrecondition("the message was deleted", error_pb2.ERROR_REASON_MESSAGE_DELETED)
        case log_pb2.APPEND_REFUSAL_TARGET_OF_ANOTHER:
            return PermissionDenied("the message is somebody else's", error_pb2.ERROR_REASON_NOT_ALLOWED)
        case log_pb2.APPEND_REFUSAL_TARGET_FULL:
            what = "edits" if kind == log_pb2.EVENT_KIND_EDIT else "reactions, or kinds of them,"
            return ResourceExhausted(
                f"the message has as many {what} as it may have", error_pb2.ERROR_REASON_LIMIT_REACHED
            )
        case _:  # a refusal that this version does not know: it refused, but the client can only try again
            return Unavailable("this was refused; try again", error_pb2.ERROR_REASON_UNAVAILABLE)


def outcome_unknown() -> Unavailable:
    return Unavailable(
        "whether this was written is not known; try again under the same client id",
        error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
        retry_after_ms=_RETRY_MS,
    )


def not_sent() -> Unavailable:
    return Unavailable(
        "this could not be written in time and was not; try again",
        error_pb2.ERROR_REASON_UNAVAILABLE,
        retry_after_ms=_RETRY_MS,
    )
