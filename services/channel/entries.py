"""The events of a membership change: one on the channel's log, one on the inbox log of everybody who comes or goes.

They are the same bytes at every try, so that message_store recognises a repeated append (I4).
"""

from collections.abc import Iterator

from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.changes import Action, Change, MemberStep
from libs.directory.channels import Channel

_POLICY_ID_DIGITS = 58
"""Makes the client id 65 bytes long, one more than a client's own may be: nobody can take the id of a change to come by
sending a message under it, which would leave the change pending for ever."""


def membership_event(channel: Channel, change: Change) -> log_pb2.AppendItem:
    """The change, for the channel's log."""
    content = event_pb2.Event(
        membership_change=event_pb2.MembershipChange(
            policy_version=change.version,
            added_user_ids=[step.user_id for step in change.joining],
            removed_user_ids=[step.user_id for step in change.leaving],
        )
    )
    return log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=channel.key.application_id, log_id=channel.log_id),
        kind=log_pb2.EVENT_KIND_CONTROL,
        sender_user_id=change.actor_user_id,
        client_id=f"policy:{change.version:0{_POLICY_ID_DIGITS}}",
        after_seq=change.log_seq,
        policy_version=change.version,
        content=content.SerializeToString(),
    )


def inbox_entries(channel: Channel, change: Change, seq: int) -> Iterator[log_pb2.AppendItem]:
    """The entries for those who come or go; `seq` is the membership event's."""
    for step in change.steps:
        if step.action is not Action.PROMOTE:
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
