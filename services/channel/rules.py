"""Who may do what with a channel's membership, and what a change consists of. Pure: no store, no clock."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from tertulia.chat.v1 import error_pb2

from libs.directory.changes import Action, MemberStep
from libs.directory.channels import Channel, ChannelKind
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.caller import Caller
from libs.rpc.errors import FailedPrecondition, FieldsInvalid, FieldViolation, PermissionDenied, ResourceExhausted


def is_member(channel: Channel, member: Member | None) -> bool:
    """Whether the user of the row is a member now.

    `channel` must have been read before `member`: read after it, a removal that was carried out in between would leave no
    trace in either. Somebody being removed is out from the moment that the channel's row says so; somebody being added
    is in when the row exists, which is after the event is on the log.
    """
    if member is None or member.state is not MemberState.ACTIVE:
        return False
    return channel.pending is None or not channel.pending.removes(member.key.user_id)


def acting_user(caller: Caller) -> str:
    """The user that a call is made for.

    Raises:
        FieldsInvalid: a server key was shown and no acting user named.
    """
    if not caller.user_id:
        raise FieldsInvalid([FieldViolation("tertulia-user", "name the acting user in this metadata")])
    return caller.user_id


def may_change_members(caller: Caller, channel: Channel, member: Member | None) -> None:
    """For those who may see the channel: whether they may add and remove people.

    Raises:
        FailedPrecondition: DIRECT_CHANNEL_FIXED.
        PermissionDenied: NOT_ALLOWED.
    """
    if channel.kind is ChannelKind.DIRECT:
        raise FailedPrecondition(
            "members of a direct channel never change; create a group",
            error_pb2.ERROR_REASON_DIRECT_CHANNEL_FIXED,
        )
    if not caller.server and (member is None or member.role is not MemberRole.OWNER):
        raise PermissionDenied("only an owner of the channel may do this", error_pb2.ERROR_REASON_NOT_ALLOWED)


def first_steps(kind: ChannelKind, creator_user_id: str, user_ids: Iterable[str], time_ms: int) -> list[MemberStep]:
    """What adds a new channel's first members: the creator, who owns a group, and the others."""
    steps = []
    for user_id in dict.fromkeys([creator_user_id, *user_ids] if creator_user_id else user_ids):
        owns = kind is ChannelKind.GROUP and user_id == creator_user_id
        steps.append(MemberStep(user_id, Action.JOIN, MemberRole.OWNER if owns else MemberRole.MEMBER, time_ms))
    return steps


def joining_steps(user_ids: Iterable[str], rows: Mapping[str, Member], time_ms: int) -> list[MemberStep]:
    """What adds those of the users who are no members."""
    return [
        MemberStep(user_id, Action.JOIN, MemberRole.MEMBER, time_ms)
        for user_id in user_ids
        if user_id not in rows or rows[user_id].state is not MemberState.ACTIVE
    ]


def leaving_steps(leaving: Sequence[Member], promoted: Member | None) -> list[MemberStep]:
    """What takes members out, and makes another the owner in their place."""
    steps = [MemberStep(member.key.user_id, Action.LEAVE, MemberRole.MEMBER, member.join_time_ms) for member in leaving]
    if promoted is not None:
        steps.append(MemberStep(promoted.key.user_id, Action.PROMOTE, MemberRole.OWNER, promoted.join_time_ms))
    return steps


def successor(members: Iterable[Member], leaving: Collection[str]) -> Member | None:
    """Who becomes the owner when owners leave: of those who stay the one who has been a member the longest (of several
    the first by id); None if an owner stays, or nobody.
    """
    staying = [member for member in members if member.key.user_id not in leaving]
    if not staying or any(member.role is MemberRole.OWNER for member in staying):
        return None
    return min(staying, key=lambda member: (member.join_time_ms, member.key.user_id))


def count_after(channel: Channel, steps: Iterable[MemberStep], limit: int) -> int:
    """How many members the channel has after the steps.

    Raises:
        ResourceExhausted: LIMIT_REACHED: more than `limit`.
    """
    count = channel.member_count
    for step in steps:
        count += {Action.JOIN: 1, Action.LEAVE: -1, Action.PROMOTE: 0}[step.action]
    if count > max(limit, channel.member_count):
        raise ResourceExhausted(
            f"a channel has at most {limit} members",
            error_pb2.ERROR_REASON_LIMIT_REACHED,
            metadata={"limit": str(limit), "member_count": str(channel.member_count)},
        )
    return count
