"""How people come into channels, what they are there, and how they go."""

from collections.abc import Awaitable, Callable, Sequence

from tertulia.chat.v1 import error_pb2

from libs.directory.changes import ChangeKind, MemberStep
from libs.directory.channels import Channel, ChannelKind
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.caller import Caller
from libs.rpc.errors import FailedPrecondition, NotFound, channel_not_found
from services.channel.access import Access
from services.channel.blocks import Blocks
from services.channel.changes import Changes, Draft
from services.channel.people import People
from services.channel.rules import acting_user, may_manage, may_own, may_remove
from services.channel.steps import joining_steps, leaving_steps, role_step, successor

_SCAN_MEMBERS = 1_000  # rows a read, where all members of a channel are looked at


class Memberships:
    """Every method raises CHANNEL_NOT_FOUND to those who are no members (NOT_JOINED of open channels), and what `Changes`
    raises."""

    def __init__(
        self,
        directory: Directory,
        access: Access,
        people: People,
        changes: Changes,
        blocks: Blocks,
        now_ms: Callable[[], int],
    ) -> None:
        self._directory = directory
        self._access = access
        self._people = people
        self._changes = changes
        self._blocks = blocks
        self._now_ms = now_ms

    async def add(self, caller: Caller, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Add those who are no members.

        Raises:
            PermissionDenied: NOT_ALLOWED; BLOCKED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
            NotFound: USER_NOT_FOUND.
        """

        async def plan(channel: Channel) -> Draft | None:
            may_manage(caller, channel, await self._access.member_of(caller, channel))
            return _members(joining_steps(user_ids, await self._rows(channel, user_ids), self._now_ms()))

        standing = await self._access.standing(caller, channel_id)
        may_manage(caller, standing.channel, standing.member)
        await self._people.existing([UserKey(caller.application_id, user_id) for user_id in user_ids])
        if not caller.server:
            await self._blocks.refuse_against(caller, user_ids)
        return await self._change(caller, channel_id, plan)

    async def join(self, caller: Caller, channel_id: str) -> Channel:
        """Add the caller to an open channel.

        Raises:
            FieldsInvalid: there is no acting user.
            NotFound: CHANNEL_NOT_FOUND: it is not open either; USER_NOT_FOUND.
        """
        user_id = acting_user(caller)

        async def plan(channel: Channel) -> Draft | None:
            if await self._access.member(channel, user_id) is not None:
                return None
            if channel.kind is not ChannelKind.OPEN:
                raise channel_not_found(channel_id)
            return _members(joining_steps([user_id], await self._rows(channel, [user_id]), self._now_ms()))

        await plan(await self._access.existing(caller.application_id, channel_id))
        await self._people.existing([UserKey(caller.application_id, user_id)])
        return await self._change(caller, channel_id, plan)

    async def remove(self, caller: Caller, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Remove those who are members.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
        """

        async def plan(channel: Channel) -> Draft | None:
            member = await self._access.member_of(caller, channel)
            may_manage(caller, channel, member)
            leaving = await self._active(channel, user_ids)
            for removed in leaving:
                may_remove(caller, channel, member, removed)
            return await self._leaving(channel, leaving)

        standing = await self._access.standing(caller, channel_id)
        may_manage(caller, standing.channel, standing.member)
        return await self._change(caller, channel_id, plan)

    async def leave(self, caller: Caller, channel_id: str) -> None:
        """Take the caller out.

        Raises:
            FieldsInvalid: there is no acting user.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
        """
        user_id = acting_user(caller)
        key = ChannelKey(caller.application_id, channel_id)
        channel = await self._access.existing(*key)
        if channel.pending is not None and channel.pending.removes(user_id):
            await self._changes.settle(key)  # a retry of a call whose outcome was unknown
            return

        async def plan(channel: Channel) -> Draft | None:
            if await self._access.member(channel, user_id) is None:
                raise channel_not_found(channel_id)
            if channel.kind is ChannelKind.DIRECT:
                raise FailedPrecondition("a direct channel cannot be left", error_pb2.ERROR_REASON_DIRECT_CHANNEL_FIXED)
            return await self._leaving(channel, await self._active(channel, [user_id]))

        await plan(channel)
        await self._changes.change(key, user_id, plan)

    async def set_role(self, caller: Caller, channel_id: str, user_id: str, role: MemberRole) -> Member:
        """Give a member another role; return them as they are then.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED; LAST_OWNER.
            NotFound: MEMBER_NOT_FOUND.
        """

        async def plan(channel: Channel) -> Draft | None:
            may_own(caller, channel, await self._access.member_of(caller, channel))
            member = await self._existing(channel, user_id)
            if member.role is role:
                return None
            if member.role is MemberRole.OWNER and not await self._has_owner_beside(channel, user_id):
                raise FailedPrecondition(
                    "the last owner of a channel stays one; make somebody else an owner first",
                    error_pb2.ERROR_REASON_LAST_OWNER,
                )
            return _members([role_step(member, role)])

        await plan(await self._access.existing(caller.application_id, channel_id))
        return await self._existing(await self._change(caller, channel_id, plan), user_id)

    async def _change(
        self, caller: Caller, channel_id: str, plan: Callable[[Channel], Awaitable[Draft | None]]
    ) -> Channel:
        return await self._changes.change(ChannelKey(caller.application_id, channel_id), caller.user_id, plan)

    async def _existing(self, channel: Channel, user_id: str) -> Member:
        member = await self._access.member(channel, user_id)
        if member is None:
            raise NotFound(
                f"{user_id!r} is no member of the channel; AddMembers first", error_pb2.ERROR_REASON_MEMBER_NOT_FOUND
            )
        return member

    async def _leaving(self, channel: Channel, leaving: Sequence[Member]) -> Draft | None:
        promoted = None
        if any(member.role is MemberRole.OWNER for member in leaving):
            promoted = successor(await self._all(channel), {member.key.user_id for member in leaving})
        return _members(leaving_steps(leaving, promoted))

    async def _has_owner_beside(self, channel: Channel, user_id: str) -> bool:
        members = await self._all(channel)
        return any(member.role is MemberRole.OWNER and member.key.user_id != user_id for member in members)

    async def _active(self, channel: Channel, user_ids: Sequence[str]) -> list[Member]:
        rows = await self._rows(channel, user_ids)
        return [member for member in rows.values() if member.state is MemberState.ACTIVE]

    async def _rows(self, channel: Channel, user_ids: Sequence[str]) -> dict[str, Member]:
        members = await self._directory.members.get([MemberKey(*channel.key, user_id) for user_id in user_ids])
        return {member.key.user_id: member for member in members if member is not None}

    async def _all(self, channel: Channel) -> list[Member]:
        """All members, bounded by the limit of members in a channel."""
        found: list[Member] = []
        while True:
            after = found[-1].key.user_id if found else ""
            page = await self._directory.members.of_channel(channel.key, after, _SCAN_MEMBERS)
            found += page
            if len(page) < _SCAN_MEMBERS:
                return found


def _members(steps: Sequence[MemberStep]) -> Draft | None:
    return Draft(ChangeKind.MEMBERS, steps) if steps else None
