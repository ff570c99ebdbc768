"""What callers do with channels: make, update, delete them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2

from libs.directory.changes import ChangeKind
from libs.directory.channels import Channel, ChannelFields, ChannelKind
from libs.directory.directory import Directory
from libs.directory.keys import ChannelKey, UserKey
from libs.rpc.caller import Caller
from libs.rpc.errors import (
    Aborted,
    AlreadyExists,
    FieldsInvalid,
    FieldViolation,
    PermissionDenied,
    channel_not_found,
)
from services.channel.access import Access
from services.channel.blocks import Blocks
from services.channel.changes import Changes, Draft
from services.channel.ids import direct_channel_id, new_channel_id, new_log_id, requested_channel_id
from services.channel.people import People
from services.channel.public import etag_of
from services.channel.rules import acting_user, may_manage, may_own
from services.channel.steps import first_steps

_BY_SERVER_KEYS = (ChannelKind.OPEN, ChannelKind.BROADCAST)
_FIELDS = tuple(event_pb2.ChannelFields.DESCRIPTOR.fields_by_name)


class Channels:
    """Every method raises CHANNEL_NOT_FOUND to those who are no members, and what `Changes` raises."""

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

    async def create(self, caller: Caller, request: channel_pb2.CreateChannelRequest) -> Channel:
        """Get or create.

        Raises:
            FieldsInvalid: the fields do not fit the kind of channel.
            PermissionDenied: SERVER_KEY_REQUIRED for the kind or a `channel_id`; BLOCKED.
            NotFound: USER_NOT_FOUND.
            AlreadyExists: CHANNEL_EXISTS.
        """
        kind = ChannelKind(request.kind)
        if kind in _BY_SERVER_KEYS and not caller.server:
            raise _server_key_required("only server keys make open and broadcast channels")
        channel_id = _direct_id(caller, request) if kind is ChannelKind.DIRECT else _channel_id(caller, request)
        key = ChannelKey(caller.application_id, channel_id)
        [existing] = await self._directory.channels.get([key])
        if existing is not None:
            return await self._existing(caller, existing, kind)
        now_ms = self._now_ms()
        steps = first_steps(kind, caller.user_id, request.member_user_ids, now_ms)
        user_ids = [step.user_id for step in steps]
        await self._people.existing([UserKey(caller.application_id, user_id) for user_id in user_ids])
        await self._may_add(caller, kind, user_ids)
        wanted = Channel(
            key=key,
            log_id=new_log_id(),
            kind=kind,
            fields=ChannelFields(request.name, request.cover_url, request.custom_data, request.slow_mode_seconds),
            creator_user_id=caller.user_id,
            direct_user_ids=tuple(sorted(user_ids)) if kind is ChannelKind.DIRECT else (),
            create_time_ms=now_ms,
            member_count=0,
            version=1,
            pending=None,
        )
        made = await self._changes.create(wanted, caller.user_id, steps)
        if made.log_id != wanted.log_id:
            return await self._existing(caller, made, kind)
        return await self._blocks.applied(made) if kind is ChannelKind.DIRECT else made

    async def update(self, caller: Caller, request: channel_pb2.UpdateChannelRequest) -> Channel:
        """Set the fields that the mask names.

        Raises:
            FieldsInvalid: the mask is empty, or names something else.
            PermissionDenied: NOT_ALLOWED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
            Aborted: ETAG_MISMATCH.
        """
        names = _masked(request.update_mask)
        key = ChannelKey(caller.application_id, request.channel_id)

        async def plan(channel: Channel) -> Draft | None:
            may_manage(caller, channel, await self._access.member_of(caller, channel))
            fields = replace(channel.fields, **{name: getattr(request.fields, name) for name in names})
            if fields == channel.fields:
                return None  # a retry, too, whose etag is an old one
            if request.etag and request.etag != etag_of(channel.fields):
                raise Aborted(
                    "the channel was changed since its etag was read; read it again",
                    error_pb2.ERROR_REASON_ETAG_MISMATCH,
                )
            return Draft(ChangeKind.FIELDS, fields=fields)

        await plan(await self._access.existing(*key))  # who may not learns it without waiting for others' changes
        return await self._changes.change(key, caller.user_id, plan)

    async def delete(self, caller: Caller, channel_id: str) -> None:
        """Delete a channel for ever.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            FailedPrecondition: DIRECT_CHANNEL_FIXED.
        """
        key = ChannelKey(caller.application_id, channel_id)
        [channel] = await self._directory.channels.get([key])
        pending = channel.pending if channel is not None and channel.deleted else None
        if pending is not None and (caller.server or caller.user_id == pending.actor_user_id):
            await self._changes.settle(key)  # a retry of a call whose outcome was unknown
            return

        async def plan(channel: Channel) -> Draft:
            may_own(caller, channel, await self._access.member_of(caller, channel))
            return Draft(ChangeKind.DELETION)

        await plan(await self._access.existing(*key))
        await self._changes.change(key, caller.user_id, plan)

    async def _may_add(self, caller: Caller, kind: ChannelKind, user_ids: Sequence[str]) -> None:
        if kind is ChannelKind.DIRECT:
            await self._blocks.refuse_between(caller.application_id, user_ids)
        elif not caller.server:
            await self._blocks.refuse_against(caller, user_ids)

    async def _existing(self, caller: Caller, channel: Channel, kind: ChannelKind) -> Channel:
        """The answer to a repeated create."""
        if channel.deleted and not caller.server:
            raise channel_not_found(channel.key.channel_id)
        another = kind is not ChannelKind.DIRECT and channel.creator_user_id != caller.user_id
        if channel.kind is not kind or another or channel.deleted:
            raise AlreadyExists(
                f"the channel id {channel.key.channel_id!r} is taken by another channel",
                error_pb2.ERROR_REASON_CHANNEL_EXISTS,
            )
        if channel.pending is not None:
            channel = await self._changes.settle(channel.key)
        if not caller.server and await self._access.member(channel, caller.user_id) is None:
            raise channel_not_found(channel.key.channel_id)  # its creator left it
        return channel


def _masked(mask: FieldMask) -> Sequence[str]:
    if not mask.paths:
        raise FieldsInvalid([FieldViolation("update_mask", "name at least one field")])
    others = [path for path in mask.paths if path not in _FIELDS]
    if others:
        raise FieldsInvalid([FieldViolation("update_mask", f"no such field: {others[0]!r}")])
    return mask.paths


def _direct_id(caller: Caller, request: channel_pb2.CreateChannelRequest) -> str:
    user_id = acting_user(caller)
    violations = []
    if request.channel_id:
        violations.append(FieldViolation("channel_id", "a direct channel's id follows from its members"))
    not_for_direct = [field for field in ("name", "cover_url", "slow_mode_seconds") if getattr(request, field)]
    violations += [FieldViolation(field, "not for direct channels") for field in not_for_direct]
    if len(request.member_user_ids) != 1 or request.member_user_ids[0] == user_id:
        violations.append(FieldViolation("member_user_ids", "a direct channel has exactly one other member"))
    if violations:
        raise FieldsInvalid(violations)
    return direct_channel_id(caller.application_id, [user_id, *request.member_user_ids])


def _channel_id(caller: Caller, request: channel_pb2.CreateChannelRequest) -> str:
    if request.channel_id:
        if not caller.server:
            raise _server_key_required("only server keys choose a channel's id; leave it empty")
        return request.channel_id
    if request.client_request_id:
        return requested_channel_id(caller.application_id, caller.user_id, request.client_request_id)
    return new_channel_id()


def _server_key_required(message: str) -> PermissionDenied:
    return PermissionDenied(message, error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED)
