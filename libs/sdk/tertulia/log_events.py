"""What the application is told of the events of a channel's log."""

from collections.abc import Callable, Mapping

from tertulia.chat.v1 import event_pb2
from tertulia.events import (
    ChannelChanged,
    ChannelDeleted,
    LogEvent,
    MembershipChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)
from tertulia.readings import message_from, role_from


def log_event_from(channel_id: str, event: event_pb2.Event) -> LogEvent | None:
    """The event for the application; nothing of kinds that this version does not know."""
    read = _READERS.get(event.WhichOneof("content") or "")
    return read(channel_id, event) if read is not None else None


def _message(channel_id: str, event: event_pb2.Event) -> LogEvent:
    return MessageReceived(message_from(channel_id, event))


def _edited(channel_id: str, event: event_pb2.Event) -> LogEvent:
    content = event.message_edited.message
    return MessageEdited(
        channel_id=channel_id,
        seq=event.seq,
        time_ms=event.time_ms,
        by=event.sender_user_id,
        target=event.message_edited.target_seq,
        text=content.text,
        mentions=tuple(content.mentioned_user_ids),
        custom_type=content.custom_type,
        custom_data=content.custom_data,
    )


def _deleted(channel_id: str, event: event_pb2.Event) -> LogEvent:
    return MessageDeleted(
        channel_id=channel_id,
        seq=event.seq,
        time_ms=event.time_ms,
        by=event.sender_user_id,
        target=event.message_deleted.target_seq,
        reply_to=event.message_deleted.reply_to_seq,
    )


def _reaction(channel_id: str, event: event_pb2.Event) -> LogEvent:
    change = event.reaction_changed
    return ReactionChanged(
        channel_id=channel_id,
        seq=event.seq,
        time_ms=event.time_ms,
        by=event.sender_user_id,
        target=change.target_seq,
        key=change.key,
        removed=change.removed,
    )


def _membership(channel_id: str, event: event_pb2.Event) -> LogEvent:
    change = event.membership_change
    return MembershipChanged(
        channel_id=channel_id,
        seq=event.seq,
        time_ms=event.time_ms,
        by=event.sender_user_id,
        added=tuple(change.added_user_ids),
        removed=tuple(change.removed_user_ids),
        roles={each.user_id: role_from(each.role) for each in change.role_changes},
    )


def _channel_changed(channel_id: str, event: event_pb2.Event) -> LogEvent:
    return ChannelChanged(channel_id, event.seq, event.time_ms, event.sender_user_id)


def _channel_deleted(channel_id: str, event: event_pb2.Event) -> LogEvent:
    return ChannelDeleted(channel_id, event.seq, event.time_ms, event.sender_user_id)


_READERS: Mapping[str, Callable[[str, event_pb2.Event], LogEvent]] = {
    "message": _message,
    "message_edited": _edited,
    "message_deleted": _deleted,
    "reaction_changed": _reaction,
    "membership_change": _membership,
    "channel_changed": _channel_changed,
    "channel_deleted": _channel_deleted,
}
