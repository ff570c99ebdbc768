"""What callers do with channels: make them, add and remove people, leave."""

from collections.abc import Callable, Sequence

from tertulia.chat.v1 import channel_pb2, error_pb2

from libs.directory.changes import MemberStep
from libs.directory.channels import Channel, ChannelKind
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.caller import Caller
from libs.rpc.errors import (
    AlreadyExists,
    FailedPrecondition,
    FieldsInvalid,
    FieldViolation,
    PermissionDenied,
    channel_not_found,
)
from services.channel.access import Access
from services.channel.ids import direct_channel_id, new_channel_id, new_log_id, requested_channel_id
from services.channel.membership import Membership
from services.channel.people import People
from services.channel.rules import (
    acting_user,
    first_steps,
    joining_steps,
    leaving_steps,
    may_change_members,
    successor,
)

_SCAN_MEMBERS = 1_000  # rows a read, where all members of a channel are looked at


class Channels:
    """Every method raises CHANNEL_NOT_FOUND to those who are no members, and what `Membership` raises."""

    def __init__(
        self, directory: Directory, access: Access, people: People, membership: Membership, now_ms: Callable[[], int]
    ) -> None:
        self._directory = directory
        self._access = access
        self._people = people
        self._membership = membership
        self._now_ms = now_ms

    async def create(self, caller: Caller, request: channel_pb2.CreateChannelRequest) -> Channel:
        """Get or create.

        Raises:
            FieldsInvalid: the fields do not fit the kind of channel.
            PermissionDenied: SERVER_KEY_REQUIRED for a `channel_id`.
            NotFound: USER_NOT_FOUND.
            AlreadyExists: CHANNEL_EXISTS.
        """
        kind = ChannelKind(request.kind)
        channel_id = _direct_id(caller, request) if kind is ChannelKind.DIRECT else _group_id(caller, request)
        key = ChannelKey(caller.application_id, channel_id)
        [existing] = await self._directory.channels.get([key])
        if existing is not None:
            return await self._existing(caller, existing, kind)
        now_ms = self._now_ms()
        steps = first_steps(kind, caller.user_id, request.member_user_ids, now_ms)
        user_ids = [step.user_id for step in steps]
        await self._people.existing([UserKey(caller.application_id, user_id) for user_id in user_ids])
        wanted = Channel(
            key=key,
            log_id=new_log_id(),
            kind=kind,
            name=request.name,
            creator_user_id=caller.user_id,
            direct_user_ids=tuple(sorted(user_ids)) if kind is ChannelKind.DIRECT else (),
            create_time_ms=now_ms,
            member_count=0,
            version=1,
            pending=None,
        )
        made = await self._membership.create(wanted, caller.user_id, steps)
        return made if made.log_id == wanted.log_id else await self._existing(caller, made, kind)

    async def add(self, caller: Caller, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Add those who are no members.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
            NotFound: USER_NOT_FOUND.
        """
        standing = await self._access.of_caller(caller, channel_id)
        may_change_members(caller, standing.channel, standing.member)
        await self._people.existing([UserKey(caller.application_id, user_id) for user_id in user_ids])

        async def plan(channel: Channel) -> Sequence[MemberStep]:
            await self._may_still_change(caller, channel)
            return joining_steps(user_ids, await self._rows(channel, user_ids), self._now_ms())

        return await self._membership.change(ChannelKey(caller.application_id, channel_id), caller.user_id, plan)

    async def remove(self, caller: Caller, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Remove those who are members.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
        """
        standing = await self._access.of_caller(caller, channel_id)
        may_change_members(caller, standing.channel, standing.member)

        async def plan(channel: Channel) -> Sequence[MemberStep]:
            await self._may_still_change(caller, channel)
            return await self._leaving(channel, user_ids)

        return await self._membership.change(ChannelKey(caller.application_id, channel_id), caller.user_id, plan)

    async def leave(self, caller: Caller, channel_id: str) -> None:
        """Take the caller out.

        Raises:
            FieldsInvalid: there is no acting user.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
        """
        user_id = acting_user(caller)
        key = ChannelKey(caller.application_id, channel_id)
        [channel] = await self._directory.channels.get([key])
        if channel is not None and channel.pending is not None and channel.pending.removes(user_id):
            await self._membership.settle(key)  # a retry of a call whose outcome was unknown
            return
        standing = await self._access.standing(caller.application_id, channel_id, user_id)
        if standing.channel.kind is ChannelKind.DIRECT:
            raise FailedPrecondition("a direct channel cannot be left", error_pb2.ERROR_REASON_DIRECT_CHANNEL_FIXED)

        async def plan(channel: Channel) -> Sequence[MemberStep]:
            if await self._access.member(channel, user_id) is None:
                raise channel_not_found(channel_id)
            return await self._leaving(channel, [user_id])

        await self._membership.change(key, user_id, plan)

    async def _existing(self, caller: Caller, channel: Channel, kind: ChannelKind) -> Channel:
        """The answer to a repeated create."""
        if channel.kind is not kind or (kind is ChannelKind.GROUP and channel.creator_user_id != caller.user_id):
            raise AlreadyExists(
                f"the channel id {channel.key.channel_id!r} is taken by another channel",
                error_pb2.ERROR_REASON_CHANNEL_EXISTS,
            )
        if channel.pending is not None:
            channel = await self._membership.settle(channel.key)
        if not caller.server and await self._access.member(channel, caller.user_id) is None:
            raise channel_not_found(channel.key.channel_id)  # its creator left it
        return channel

    async def _may_still_change(self, caller: Caller, channel: Channel) -> None:
        """The same question about the channel as it is when the change is made: the caller may be out by now."""
        member = await self._access.member(channel, caller.user_id) if caller.user_id else None
        if member is None and not caller.server:
            raise channel_not_found(channel.key.channel_id)
        may_change_members(caller, channel, member)

    async def _leaving(self, channel: Channel, user_ids: Sequence[str]) -> Sequence[MemberStep]:
        rows = await self._rows(channel, user_ids)
        leaving = [member for member in rows.values() if member.state is MemberState.ACTIVE]
        promoted = None
        if any(member.role is MemberRole.OWNER for member in leaving):
            promoted = successor(await self._all_members(channel), {member.key.user_id for member in leaving})
        return leaving_steps(leaving, promoted)

    async def _rows(self, channel: Channel, user_ids: Sequence[str]) -> dict[str, Member]:
        members = await self._directory.members.get([MemberKey(*channel.key, user_id) for user_id in user_ids])
        return {member.key.user_id: member for member in members if member is not None}

    async def _all_members(self, channel: Channel) -> list[Member]:
        """Bounded by the limit of members in a channel."""
        found: list[Member] = []
        while True:
            after = found[-1].key.user_id if found else ""
            page = await self._directory.members.of_channel(channel.key, after, _SCAN_MEMBERS)
            found += page
            if len(page) < _SCAN_MEMBERS:
                return found


def _direct_id(caller: Caller, request: channel_pb2.CreateChannelRequest) -> str:
    user_id = acting_user(caller)
    violations = []
    if request.channel_id:
        violations.append(FieldViolation("channel_id", "a direct channel's id follows from its members"))
    if request.name:
        violations.append(FieldViolation("name", "a direct channel has no name"))
    if len(request.member_user_ids) != 1 or request.member_user_ids[0] == user_id:
        violations.append(FieldViolation("member_user_ids", "a direct channel has exactly one other member"))
    if violations:
        raise FieldsInvalid(violations)
    return direct_channel_id(caller.application_id, [user_id, *request.member_user_ids])


def _group_id(caller: Caller, request: channel_pb2.CreateChannelRequest) -> str:
    if request.channel_id:
        if not caller.server:
            raise PermissionDenied(
                "only server keys choose a channel's id; leave it empty",
                error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED,
            )
        return request.channel_id
    if request.client_request_id:
        return requested_channel_id(caller.application_id, caller.user_id, request.client_request_id)
    return new_channel_id()
