"""The API's messages, read as the values that the SDK hands out."""

from tertulia.chat.v1 import channel_pb2, event_pb2, role_pb2, session_pb2, user_pb2
from tertulia.models import (
    Channel,
    ChannelKind,
    Member,
    MemberRole,
    Message,
    MyChannel,
    Permissions,
    Preferences,
    Presence,
    Reaction,
    User,
)

_KINDS = {
    channel_pb2.CHANNEL_KIND_DIRECT: ChannelKind.DIRECT,
    channel_pb2.CHANNEL_KIND_GROUP: ChannelKind.GROUP,
    channel_pb2.CHANNEL_KIND_OPEN: ChannelKind.OPEN,
    channel_pb2.CHANNEL_KIND_BROADCAST: ChannelKind.BROADCAST,
}
KIND_TO_PROTO = {kind: proto for proto, kind in _KINDS.items()}

_ROLES = {
    role_pb2.MEMBER_ROLE_MEMBER: MemberRole.MEMBER,
    role_pb2.MEMBER_ROLE_OPERATOR: MemberRole.OPERATOR,
    role_pb2.MEMBER_ROLE_OWNER: MemberRole.OWNER,
}
ROLE_TO_PROTO = {role: proto for proto, role in _ROLES.items()}

MAX_MENTIONS_TOLD = 100  # MyChannel.mention_count: more are told as so many


def message_from(channel_id: str, event: event_pb2.Event) -> Message:
    """A message with its state, where the event has one."""
    first, state = event.message, event.state
    current = state.edited if state.HasField("edited") else first
    if state.deleted:
        current = event_pb2.Message()
    return Message(
        channel_id=channel_id,
        seq=event.seq,
        time_ms=first.original_time_ms or event.time_ms,
        author=event.sender_user_id,
        text=current.text,
        reply_to=first.reply_to_seq,
        mentions=tuple(current.mentioned_user_ids),
        custom_type=current.custom_type,
        custom_data=current.custom_data,
        message_count=event.message_count,
        client_message_id=event.client_id,
        imported=first.original_time_ms != 0,
        edit_time_ms=state.edit_time_ms,
        deleted=state.deleted,
        deleted_by=state.deleted_by_user_id,
        delete_time_ms=state.delete_time_ms,
        reactions=tuple(Reaction(each.key, each.count, tuple(each.user_ids)) for each in state.reactions),
        reply_count=state.reply_count,
    )


def user_from(user: user_pb2.User) -> User:
    return User(user.user_id, user.name, user.avatar_url, user.create_time_ms)


def channel_from(channel: channel_pb2.Channel) -> Channel:
    return Channel(
        channel_id=channel.channel_id,
        kind=_KINDS.get(channel.kind, ChannelKind.UNKNOWN),
        name=channel.name,
        creator=channel.creator_user_id,
        create_time_ms=channel.create_time_ms,
        member_count=channel.member_count,
        cover_url=channel.cover_url,
        custom_data=channel.custom_data,
        slow_mode_seconds=channel.slow_mode_seconds,
        etag=channel.etag,
    )


def role_from(role: role_pb2.MemberRole.ValueType) -> MemberRole:
    return _ROLES.get(role, MemberRole.UNKNOWN)


def member_from(member: channel_pb2.Member) -> Member:
    return Member(
        user_id=member.user_id,
        role=role_from(member.role),
        join_time_ms=member.join_time_ms,
        read_seq=member.read_seq,
        delivered_seq=max(member.delivered_seq, member.read_seq),
    )


def permissions_from(permissions: channel_pb2.ChannelPermissions) -> Permissions:
    return Permissions(
        send=permissions.send,
        react=permissions.react,
        moderate=permissions.moderate,
        manage=permissions.manage,
        own=permissions.own,
    )


def preferences_from(preferences: event_pb2.ChannelPreferences) -> Preferences:
    return Preferences(
        muted=preferences.muted,
        pinned=preferences.pinned,
        hidden=preferences.hidden,
        marked_unread=preferences.marked_unread,
        version=preferences.version,
        hidden_message_count=preferences.hidden_message_count,
    )


def my_channel_from(mine: channel_pb2.MyChannel) -> MyChannel:
    channel_id = mine.channel.channel_id
    return MyChannel(
        channel=channel_from(mine.channel),
        head_seq=mine.head_seq,
        last_message=message_from(channel_id, mine.last_message) if mine.HasField("last_message") else None,
        read_seq=mine.read_seq,
        delivered_seq=max(mine.delivered_seq, mine.read_seq),
        unread=mine.unread_count,
        mention_count=mine.mention_count if mine.HasField("mention_count") else None,
        peer=mine.peer_user_id,
        role=role_from(mine.role),
        permissions=permissions_from(mine.permissions),
        preferences=preferences_from(mine.preferences),
        hidden=is_hidden(preferences_from(mine.preferences), mine.head_message_count),
    )


def is_hidden(preferences: Preferences, message_count: int) -> bool:
    """Whether a channel with so many messages is not listed."""
    return preferences.hidden and message_count <= preferences.hidden_message_count


def presence_from(presence: session_pb2.Presence) -> Presence:
    return Presence(presence.user_id, presence.online, presence.last_seen_time_ms)
