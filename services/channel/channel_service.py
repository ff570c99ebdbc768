"""The public ChannelService."""

from typing import TypeVar

import grpc
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, channel_pb2_grpc, error_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.directory.keys import MemberKey, UserKey
from libs.rpc.caller import Caller, decode_caller
from libs.rpc.errors import InvalidArgument, channel_not_found
from libs.rpc.validation import validate
from services.channel.access import Access
from services.channel.channels import Channels
from services.channel.lists import Lists
from services.channel.public import to_channel, to_member
from services.channel.read_positions import Advance, ReadPositions
from services.channel.rules import acting_user
from services.channel.seats import Seats

Request = TypeVar("Request")
Response = TypeVar("Response")


class ChannelService(channel_pb2_grpc.ChannelServiceServicer):
    """See tertulia/chat/v1/channel.proto. The names of the methods are the proto's."""

    def __init__(
        self, channels: Channels, lists: Lists, access: Access, positions: ReadPositions, seats: Seats
    ) -> None:
        self._channels = channels
        self._lists = lists
        self._access = access
        self._positions = positions
        self._seats = seats

    async def CreateChannel(  # noqa: N802
        self,
        request: channel_pb2.CreateChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.CreateChannelRequest, channel_pb2.CreateChannelResponse],
    ) -> channel_pb2.CreateChannelResponse:
        caller = _begin(request, context)
        channel = await self._channels.create(caller, request)
        return channel_pb2.CreateChannelResponse(channel=to_channel(channel))

    async def GetChannel(  # noqa: N802
        self,
        request: channel_pb2.GetChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.GetChannelRequest, channel_pb2.GetChannelResponse],
    ) -> channel_pb2.GetChannelResponse:
        caller = _begin(request, context)
        standing = await self._access.of_caller(caller, request.channel_id)
        return channel_pb2.GetChannelResponse(channel=to_channel(standing.channel))

    async def AddMembers(  # noqa: N802
        self,
        request: channel_pb2.AddMembersRequest,
        context: grpc.aio.ServicerContext[channel_pb2.AddMembersRequest, channel_pb2.AddMembersResponse],
    ) -> channel_pb2.AddMembersResponse:
        caller = _begin(request, context)
        channel = await self._channels.add(caller, request.channel_id, request.user_ids)
        return channel_pb2.AddMembersResponse(channel=to_channel(channel))

    async def RemoveMembers(  # noqa: N802
        self,
        request: channel_pb2.RemoveMembersRequest,
        context: grpc.aio.ServicerContext[channel_pb2.RemoveMembersRequest, channel_pb2.RemoveMembersResponse],
    ) -> channel_pb2.RemoveMembersResponse:
        caller = _begin(request, context)
        channel = await self._channels.remove(caller, request.channel_id, request.user_ids)
        return channel_pb2.RemoveMembersResponse(channel=to_channel(channel))

    async def LeaveChannel(  # noqa: N802
        self,
        request: channel_pb2.LeaveChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.LeaveChannelRequest, channel_pb2.LeaveChannelResponse],
    ) -> channel_pb2.LeaveChannelResponse:
        caller = _begin(request, context)
        await self._channels.leave(caller, request.channel_id)
        return channel_pb2.LeaveChannelResponse()

    async def ListMembers(  # noqa: N802
        self,
        request: channel_pb2.ListMembersRequest,
        context: grpc.aio.ServicerContext[channel_pb2.ListMembersRequest, channel_pb2.ListMembersResponse],
    ) -> channel_pb2.ListMembersResponse:
        caller = _begin(request, context)
        page = await self._lists.members(caller, request.channel_id, request.page_size, request.page_token)
        return channel_pb2.ListMembersResponse(
            members=[to_member(member, position) for member, position in page.members],
            next_page_token=page.next_page_token,
        )

    async def ListMyChannels(  # noqa: N802
        self,
        request: channel_pb2.ListMyChannelsRequest,
        context: grpc.aio.ServicerContext[channel_pb2.ListMyChannelsRequest, channel_pb2.ListMyChannelsResponse],
    ) -> channel_pb2.ListMyChannelsResponse:
        caller = _begin(request, context)
        page = await self._lists.channels(caller, acting_user(caller), request.page_size, request.page_token)
        return channel_pb2.ListMyChannelsResponse(
            channels=[seat.to_my_channel() for seat in page.seats], next_page_token=page.next_page_token
        )

    async def AdvanceReadPosition(  # noqa: N802
        self,
        request: channel_pb2.AdvanceReadPositionRequest,
        context: grpc.aio.ServicerContext[
            channel_pb2.AdvanceReadPositionRequest, channel_pb2.AdvanceReadPositionResponse
        ],
    ) -> channel_pb2.AdvanceReadPositionResponse:
        caller = _begin(request, context)
        user_id = acting_user(caller)
        key = MemberKey(caller.application_id, request.channel_id, user_id)
        [outcome] = await self._positions.advance([Advance(key, request.read_seq)])
        if outcome.refusal == access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD:
            raise InvalidArgument(
                "read_seq is above the newest event of the channel", error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD
            )
        seats = await self._seats.of_user(
            UserKey(caller.application_id, user_id), [request.channel_id], with_last_message=False
        )
        if outcome.refusal or not seats:
            raise channel_not_found(request.channel_id)
        return channel_pb2.AdvanceReadPositionResponse(
            read_seq=seats[0].position.read_seq, unread_count=seats[0].unread_count
        )


def _begin(
    request: Message,
    context: grpc.aio.ServicerContext[Request, Response],
) -> Caller:
    """What every call begins with: who it is made for, and whether the request keeps the rules of its proto."""
    caller = decode_caller(context.invocation_metadata() or ())
    validate(request)
    return caller
