"""The internal AccessService: what gateways ask."""

from collections.abc import AsyncIterator

from tertulia.chat.v1 import role_pb2, user_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.directory.keys import MemberKey, UserKey
from libs.rpc.errors import FieldsInvalid, FieldViolation
from libs.rpc.validation import validate
from services.channel.access import Access
from services.channel.applications import Applications
from services.channel.people import People
from services.channel.public import permissions_of, to_role
from services.channel.read_positions import Advance, ReadPositions
from services.channel.seats import Seats

_MAX_ADVANCES = 1_000
_LAST_MESSAGES_BYTES = 8 * 1024 * 1024
"""Of the last messages in one OpenInbox, those of the latest channels first."""

_PART_BYTES = 1024 * 1024
"""A part of OpenInbox ends with the channel that reaches this."""


class AccessService(access_pb2_grpc.AccessServiceServicer):
    """See tertulia_internal/channel/v1/access.proto. The names of the methods are the proto's."""

    def __init__(
        self, applications: Applications, access: Access, people: People, seats: Seats, positions: ReadPositions
    ) -> None:
        self._applications = applications
        self._access = access
        self._people = people
        self._seats = seats
        self._positions = positions

    async def GetKey(  # noqa: N802
        self,
        request: access_pb2.GetKeyRequest,
        context: object,  # noqa: ARG002
    ) -> access_pb2.GetKeyResponse:
        key = await self._applications.key(request.application_id, request.key_id)
        return access_pb2.GetKeyResponse(secret=key.secret)

    async def Authorize(  # noqa: N802
        self,
        request: access_pb2.AuthorizeRequest,
        context: object,  # noqa: ARG002
    ) -> access_pb2.AuthorizeResponse:
        standing = await self._access.standing(
            request.application_id, request.channel_id, request.user_id, server=not request.user_id
        )
        return access_pb2.AuthorizeResponse(
            log_id=standing.channel.log_id,
            policy_version=standing.channel.version,
            role=to_role(standing.member.role) if standing.member else role_pb2.MEMBER_ROLE_UNSPECIFIED,
            member_count=standing.channel.member_count,
            permissions=permissions_of(standing.member),
        )

    async def OpenInbox(  # noqa: N802
        self,
        request: access_pb2.OpenInboxRequest,
        context: object,  # noqa: ARG002
    ) -> AsyncIterator[access_pb2.OpenInboxResponse]:
        validate(user_pb2.UserProfile(user_id=request.user_id))  # a token may name any subject; a user's id has rules
        key = UserKey(request.application_id, request.user_id)
        user = await self._people.ensure(key)
        only = [request.channel_id] if request.channel_id else None
        seats = await self._seats.of_user(key, only, with_last_message=True)
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

    async def AdvancePositions(  # noqa: N802
        self,
        request: access_pb2.AdvancePositionsRequest,
        context: object,  # noqa: ARG002
    ) -> access_pb2.AdvancePositionsResponse:
        if len(request.advances) > _MAX_ADVANCES:
            raise FieldsInvalid([FieldViolation("advances", f"at most {_MAX_ADVANCES}")])
        outcomes = await self._positions.advance(
            [
                Advance(MemberKey(request.application_id, advance.channel_id, advance.user_id), advance.read_seq)
                for advance in request.advances
            ]
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
