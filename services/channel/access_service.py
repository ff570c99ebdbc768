"""The internal AccessService: what gateways ask."""

from collections.abc import AsyncIterator, Sized

from tertulia.chat.v1 import role_pb2, user_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.directory.keys import MemberKey, UserKey
from libs.directory.revocations import TokenHolder
from libs.rpc.caller import Caller
from libs.rpc.errors import FieldsInvalid, FieldViolation
from libs.rpc.validation import validate
from services.channel.access import Access
from services.channel.applications import Applications
from services.channel.blocks import Blocks
from services.channel.people import People
from services.channel.positions import Advance, Positions, Reached
from services.channel.public import to_key, to_permissions, to_role
from services.channel.revocations import Revocations
from services.channel.rules import permissions_of
from services.channel.seats import Seats

_MAX_ITEMS = 1_000
_DETAILED_CHANNELS = 500
"""Of an inbox, the first so many come with last message and mention count; the rest with their heads only. For 10,000 channels
on SQLite that is 1.1 MB, 1.1 s of CPU here and 0.15 s of message_store's (two cores)."""

_SECOND_MS = 1_000
_LAST_MESSAGES_BYTES = 8 * 1024 * 1024
"""Of the last messages in one OpenInbox, those of the latest channels first."""

_PART_BYTES = 256 * 1024
"""A part of OpenInbox ends with the channel that reaches this: some 2,000 channels without details, between which other calls
are served."""


class AccessService(access_pb2_grpc.AccessServiceServicer):
    """See tertulia_internal/channel/v1/access.proto. The names of the methods are the proto's."""

    def __init__(
        self,
        applications: Applications,
        access: Access,
        people: People,
        seats: Seats,
        positions: Positions,
        blocks: Blocks,
        revocations: Revocations,
    ) -> None:
        self._applications = applications
        self._access = access
        self._people = people
        self._seats = seats
        self._positions = positions
        self._blocks = blocks
        self._revocations = revocations

    async def GetKey(
        self,
        request: access_pb2.GetKeyRequest,
        context: object,
    ) -> access_pb2.GetKeyResponse:
        key = await self._applications.key(request.application_id, request.key_id)
        return to_key(key, guests_allowed=await self._applications.lets_guests_in(request.application_id))

    async def Authorize(
        self,
        request: access_pb2.AuthorizeRequest,
        context: object,
    ) -> access_pb2.AuthorizeResponse:
        caller = Caller(request.application_id, request.user_id, server=not request.user_id)
        standing = await self._access.standing(caller, request.channel_id)
        channel, member = standing.channel, standing.member
        permissions = permissions_of(channel, member)
        return access_pb2.AuthorizeResponse(
            log_id=channel.log_id,
            policy_version=channel.version,
            role=to_role(member.role) if member else role_pb2.MEMBER_ROLE_UNSPECIFIED,
            member_count=channel.member_count,
            permissions=to_permissions(permissions),
            slow_mode_ms=0 if permissions.moderate else channel.fields.slow_mode_seconds * _SECOND_MS,
            blocked=member is not None and bool(channel.blocked_by),
        )

    async def AuthorizeGuest(
        self,
        request: access_pb2.AuthorizeGuestRequest,
        context: object,
    ) -> access_pb2.AuthorizeGuestResponse:
        channel = await self._access.open(request.application_id, request.channel_id)
        return access_pb2.AuthorizeGuestResponse(log_id=channel.log_id)

    async def OpenInbox(
        self,
        request: access_pb2.OpenInboxRequest,
        context: object,
    ) -> AsyncIterator[access_pb2.OpenInboxResponse]:
        validate(user_pb2.UserProfile(user_id=request.user_id))  # a token may name any subject; a user's id has rules
        key = UserKey(request.application_id, request.user_id)
        user = await self._people.ensure(key)
        only = [request.channel_id] if request.channel_id else None
        seats = await self._seats.of_user(key, only, detailed=_DETAILED_CHANNELS)
        part = access_pb2.OpenInboxResponse(inbox_log_id=user.inbox_log_id)
        part_bytes = 0
        left = _LAST_MESSAGES_BYTES
        for seat in seats:
            if part_bytes >= _PART_BYTES:
                yield part
                part = access_pb2.OpenInboxResponse(inbox_log_id=user.inbox_log_id)
                part_bytes = 0
            left -= len(seat.head.last_message)
            mine = seat.to_my_channel(with_last_message=left >= 0)
            part.channels.append(mine)
            part_bytes += mine.ByteSize()
        yield part

    async def AdvancePositions(
        self,
        request: access_pb2.AdvancePositionsRequest,
        context: object,
    ) -> access_pb2.AdvancePositionsResponse:
        _at_most_so_many("advances", request.advances)
        outcomes = await self._positions.advance(
            Reached.READ,
            [
                Advance(MemberKey(request.application_id, advance.channel_id, advance.user_id), advance.read_seq)
                for advance in request.advances
            ],
        )
        return access_pb2.AdvancePositionsResponse(
            results=[
                access_pb2.AdvanceResult(
                    read_seq=outcome.position.read_seq,
                    read_message_count=outcome.position.read_message_count,
                    refusal=outcome.refusal,
                )
                for outcome in outcomes
            ]
        )

    async def AdvanceDelivered(
        self,
        request: access_pb2.AdvanceDeliveredRequest,
        context: object,
    ) -> access_pb2.AdvanceDeliveredResponse:
        _at_most_so_many("advances", request.advances)
        await self._positions.advance(
            Reached.DELIVERED,
            [
                Advance(MemberKey(request.application_id, advance.channel_id, advance.user_id), advance.delivered_seq)
                for advance in request.advances
            ],
        )
        return access_pb2.AdvanceDeliveredResponse()

    async def WhoBlocked(
        self,
        request: access_pb2.WhoBlockedRequest,
        context: object,
    ) -> access_pb2.WhoBlockedResponse:
        _at_most_so_many("by_user_ids", request.by_user_ids)
        user = UserKey(request.application_id, request.user_id)
        return access_pb2.WhoBlockedResponse(by_user_ids=await self._blocks.against(user, request.by_user_ids))

    async def GetRevocations(
        self,
        request: access_pb2.GetRevocationsRequest,
        context: object,
    ) -> access_pb2.GetRevocationsResponse:
        _at_most_so_many("holders", request.holders)
        holders = [TokenHolder(holder.application_id, holder.user_id, holder.session_id) for holder in request.holders]
        return access_pb2.GetRevocationsResponse(issued_before_ms=await self._revocations.of(holders))


def _at_most_so_many(field: str, items: Sized) -> None:
    if len(items) > _MAX_ITEMS:
        raise FieldsInvalid([FieldViolation(field, f"at most {_MAX_ITEMS}")])
