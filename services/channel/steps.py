"""What a change of a channel's members consists of. Pure: no store, no clock."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from tertulia.chat.v1 import error_pb2

from libs.directory.changes import Action, MemberStep
from libs.directory.channels import Channel, ChannelKind
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.errors import ResourceExhausted


def first_steps(kind: ChannelKind, creator_user_id: str, user_ids: Iterable[str], time_ms: int) -> list[MemberStep]:
    """What adds a new channel's first members: the creator, who owns it if it is not direct, and the others."""
    steps = []
    for user_id in dict.fromkeys([creator_user_id, *user_ids] if creator_user_id else user_ids):
        owns = kind is not ChannelKind.DIRECT and user_id == creator_user_id
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
        steps.append(role_step(promoted, MemberRole.OWNER))
    return steps


def role_step(member: Member, role: MemberRole) -> MemberStep:
    """What gives a member another role."""
    return MemberStep(member.key.user_id, Action.ROLE, role, member.join_time_ms)


def successor(members: Iterable[Member], leaving: Collection[str]) -> Member | None:
    """Who becomes the owner when owners leave: of those who stay the one who has been a member the longest (of several
    the first by id), operators before others; None if an owner stays, or nobody.
    """
    staying = [member for member in members if member.key.user_id not in leaving]
    if not staying or any(member.role is MemberRole.OWNER for member in staying):
        return None
    return min(staying, key=lambda m: (m.role is not MemberRole.OPERATOR, m.join_time_ms, m.key.user_id))


def count_after(channel: Channel, steps: Iterable[MemberStep], limit: int) -> int:
    """How many members the channel has after the steps.

    Raises:
        ResourceExhausted: LIMIT_REACHED: more than `limit`.
    """
    count = channel.member_count
    for step in steps:
        count += {Action.JOIN: 1, Action.LEAVE: -1, Action.ROLE: 0}[step.action]
    if count > max(limit, channel.member_count):
        raise ResourceExhausted(
            f"a channel has at most {limit} members",
            error_pb2.ERROR_REASON_LIMIT_REACHED,
            metadata={"limit": str(limit), "member_count": str(channel.member_count)},
        )
    return count
