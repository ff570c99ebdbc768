"""The events of a change: one on the channel's log, one on the inbox log of everybody who comes or goes.

They are the same bytes at every try, so that message_store recognises a repeated append (I4).
"""

from collections.abc import Iterator

from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.changes import Action, Change, ChangeKind, MemberStep
from libs.directory.channels import Channel
from libs.directory.members import MemberRole
from libs.directory.preferences import Preferences
from services.channel.public import to_fields, to_preferences, to_role

_POLICY_ID_DIGITS = 58
"""Makes the client id 65 bytes long, one more than a client's own may be: nobody can take the id of a change to come by
sending a message under it, which would leave the change pending for ever."""


def change_event(channel: Channel, change: Change) -> log_pb2.AppendItem:
    """The change, for the channel's log."""
    return log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=channel.key.application_id, log_id=channel.log_id),
        kind=log_pb2.EVENT_KIND_CONTROL,
        sender_user_id=change.actor_user_id,
        client_id=f"policy:{change.version:0{_POLICY_ID_DIGITS}}",
        after_seq=change.log_seq,
        policy_version=change.version,
        content=_content(channel, change).SerializeToString(),
    )


def _content(channel: Channel, change: Change) -> event_pb2.Event:
    version = change.version
    match change.kind:
        case ChangeKind.MEMBERS:
            return event_pb2.Event(membership_change=_membership(change))
        case ChangeKind.FIELDS:
            fields = to_fields(channel.fields)
            return event_pb2.Event(channel_changed=event_pb2.ChannelChanged(policy_version=version, fields=fields))
        case ChangeKind.BLOCK:
            return event_pb2.Event(channel_changed=event_pb2.ChannelChanged(policy_version=version))
        case ChangeKind.DELETION:
            return event_pb2.Event(channel_deleted=event_pb2.ChannelDeleted(policy_version=version))


def _membership(change: Change) -> event_pb2.MembershipChange:
    return event_pb2.MembershipChange(
        policy_version=change.version,
        added_user_ids=[step.user_id for step in change.joining],
        removed_user_ids=[step.user_id for step in change.leaving],
        role_changes=[
            event_pb2.RoleChange(user_id=step.user_id, role=to_role(step.role))
            for step in change.steps
            if step.action is Action.ROLE or (step.action is Action.JOIN and step.role is not MemberRole.MEMBER)
        ],
    )


def inbox_entries(channel: Channel, change: Change, seq: int) -> Iterator[log_pb2.AppendItem]:
    """The entries for those who come or go; `seq` is the membership event's."""
    for step in change.steps:
        if step.action is not Action.ROLE:
            yield log_pb2.AppendItem(
                log=log_pb2.LogKey(application_id=channel.key.application_id, log_id=step.inbox_log_id),
                kind=log_pb2.EVENT_KIND_CONTROL,
                sender_user_id=change.actor_user_id,
                client_id=f"{channel.log_id.hex()}:{change.version}",
                after_seq=step.inbox_seq,
                policy_version=0,  # inboxes have no policy
                content=_inbox_content(channel, step, seq).SerializeToString(),
            )


def _inbox_content(channel: Channel, step: MemberStep, seq: int) -> event_pb2.Event:
    if step.action is Action.JOIN:
        return event_pb2.Event(
            channel_joined=event_pb2.ChannelJoined(
                channel_id=channel.key.channel_id, log_id=channel.log_id, joined_seq=seq
            )
        )
    return event_pb2.Event(
        channel_left=event_pb2.ChannelLeft(channel_id=channel.key.channel_id, log_id=channel.log_id, left_seq=seq)
    )


def preferences_entry(channel: Channel, inbox_log_id: bytes, preferences: Preferences) -> log_pb2.AppendItem:
    """What a user prefers now, for their inbox. Of its version, so that a retry finds it."""
    content = event_pb2.Event(
        channel_preferences_changed=event_pb2.ChannelPreferencesChanged(
            channel_id=channel.key.channel_id, log_id=channel.log_id, preferences=to_preferences(preferences)
        )
    )
    return log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=channel.key.application_id, log_id=inbox_log_id),
        kind=log_pb2.EVENT_KIND_CONTROL,
        sender_user_id=preferences.key.user_id,
        client_id=f"{channel.log_id.hex()}:preferences:{preferences.version}",
        content=content.SerializeToString(),
    )
