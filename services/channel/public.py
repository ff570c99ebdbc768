"""Records of the directory as the public API shows them."""

import hashlib

import orjson
from tertulia.chat.v1 import channel_pb2, event_pb2, role_pb2, user_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.directory.applications import Key, Scope
from libs.directory.channels import Channel, ChannelFields, ChannelKind
from libs.directory.members import Member, MemberRole
from libs.directory.positions import Position
from libs.directory.preferences import Preferences
from libs.directory.users import User
from services.channel.rules import Permissions

_ETAG_BYTES = 16
_KINDS = {
    ChannelKind.DIRECT: channel_pb2.CHANNEL_KIND_DIRECT,
    ChannelKind.GROUP: channel_pb2.CHANNEL_KIND_GROUP,
    ChannelKind.OPEN: channel_pb2.CHANNEL_KIND_OPEN,
    ChannelKind.BROADCAST: channel_pb2.CHANNEL_KIND_BROADCAST,
}
_ROLES = {
    MemberRole.MEMBER: role_pb2.MEMBER_ROLE_MEMBER,
    MemberRole.OWNER: role_pb2.MEMBER_ROLE_OWNER,
    MemberRole.OPERATOR: role_pb2.MEMBER_ROLE_OPERATOR,
}
_SCOPES = {
    Scope.USERS: access_pb2.KEY_SCOPE_USERS,
    Scope.READ: access_pb2.KEY_SCOPE_READ,
    Scope.SEND: access_pb2.KEY_SCOPE_SEND,
    Scope.MANAGE: access_pb2.KEY_SCOPE_MANAGE,
}


def to_key(key: Key, *, guests_allowed: bool) -> access_pb2.GetKeyResponse:
    scopes = [_SCOPES[scope] for scope in sorted(key.scopes)]
    if key.public_key:
        return access_pb2.GetKeyResponse(public_key=key.public_key, scopes=scopes, guests_allowed=guests_allowed)
    return access_pb2.GetKeyResponse(secret=key.secret, scopes=scopes, guests_allowed=guests_allowed)


def to_channel(channel: Channel) -> channel_pb2.Channel:
    return channel_pb2.Channel(
        channel_id=channel.key.channel_id,
        log_id=channel.log_id,
        kind=_KINDS[channel.kind],
        name=channel.fields.name,
        creator_user_id=channel.creator_user_id,
        create_time_ms=channel.create_time_ms,
        member_count=channel.member_count,
        policy_version=channel.version,
        cover_url=channel.fields.cover_url,
        custom_data=channel.fields.custom_data,
        slow_mode_seconds=channel.fields.slow_mode_seconds,
        etag=etag_of(channel.fields),
    )


def to_fields(fields: ChannelFields) -> event_pb2.ChannelFields:
    return event_pb2.ChannelFields(
        name=fields.name,
        cover_url=fields.cover_url,
        custom_data=fields.custom_data,
        slow_mode_seconds=fields.slow_mode_seconds,
    )


def etag_of(fields: ChannelFields) -> str:
    """Other fields, another etag; the same again, the same again."""
    return hashlib.blake2b(orjson.dumps(fields), digest_size=_ETAG_BYTES).hexdigest()


def to_permissions(permissions: Permissions) -> channel_pb2.ChannelPermissions:
    return channel_pb2.ChannelPermissions(
        send=permissions.send,
        react=permissions.react,
        moderate=permissions.moderate,
        manage=permissions.manage,
        own=permissions.own,
    )


def to_preferences(preferences: Preferences) -> event_pb2.ChannelPreferences:
    return event_pb2.ChannelPreferences(
        version=preferences.version,
        muted=preferences.muted,
        pinned=preferences.pinned,
        hidden=preferences.hidden,
        hidden_message_count=preferences.hidden_message_count,
        marked_unread=preferences.marked_unread,
    )


def to_role(role: MemberRole) -> role_pb2.MemberRole.ValueType:
    return _ROLES[role]


def to_member(member: Member, position: Position) -> channel_pb2.Member:
    return channel_pb2.Member(
        user_id=member.key.user_id,
        role=to_role(member.role),
        join_time_ms=member.join_time_ms,
        read_seq=position.read_seq,
        delivered_seq=position.delivered_seq,
    )


def to_user(user: User) -> user_pb2.User:
    return user_pb2.User(
        user_id=user.key.user_id, name=user.name, avatar_url=user.avatar_url, create_time_ms=user.create_time_ms
    )
