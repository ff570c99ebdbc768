"""Records of the directory as the public API shows them."""

from tertulia.chat.v1 import channel_pb2, role_pb2, user_pb2

from libs.directory.channels import Channel, ChannelKind
from libs.directory.members import Member, MemberRole
from libs.directory.positions import Position
from libs.directory.users import User

_KINDS = {
    ChannelKind.DIRECT: channel_pb2.CHANNEL_KIND_DIRECT,
    ChannelKind.GROUP: channel_pb2.CHANNEL_KIND_GROUP,
}
_ROLES = {
    MemberRole.MEMBER: role_pb2.MEMBER_ROLE_MEMBER,
    MemberRole.OWNER: role_pb2.MEMBER_ROLE_OWNER,
}


def to_channel(channel: Channel) -> channel_pb2.Channel:
    return channel_pb2.Channel(
        channel_id=channel.key.channel_id,
        log_id=channel.log_id,
        kind=_KINDS[channel.kind],
        name=channel.name,
        creator_user_id=channel.creator_user_id,
        create_time_ms=channel.create_time_ms,
        member_count=channel.member_count,
        policy_version=channel.version,
    )


def to_role(role: MemberRole) -> role_pb2.MemberRole.ValueType:
    return _ROLES[role]


def permissions_of(member: Member | None) -> channel_pb2.ChannelPermissions:
    """What a member may do; None: the application itself, which may do everything."""
    leads = member is None or member.role is MemberRole.OWNER
    return channel_pb2.ChannelPermissions(send=True, react=True, moderate=leads, manage=leads, own=leads)


def to_member(member: Member, position: Position) -> channel_pb2.Member:
    return channel_pb2.Member(
        user_id=member.key.user_id,
        role=to_role(member.role),
        join_time_ms=member.join_time_ms,
        read_seq=position.read_seq,
    )


def to_user(user: User) -> user_pb2.User:
    return user_pb2.User(
        user_id=user.key.user_id, name=user.name, avatar_url=user.avatar_url, create_time_ms=user.create_time_ms
    )
