"""From what a client sends to what message_store appends."""

from tertulia.chat.v1 import error_pb2, event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import FieldsInvalid, FieldViolation, PermissionDenied
from services.gateway.appender import Append, Sender
from services.gateway.grants import Grant

_ITEM_BYTES = 200  # what an append costs beside its content


def require_speaker(caller: Caller) -> None:
    """Somebody says a message, always.

    Raises:
        FieldsInvalid: a server key named no user.
    """
    if not caller.user_id:
        what = "a server key speaks for a member: name one, here or in the metadata `tertulia-user`"
        raise FieldsInvalid([FieldViolation("as_user_id", what)])


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
