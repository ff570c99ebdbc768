"""The public ChannelService."""

from typing import TypeVar

import grpc
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, channel_pb2_grpc, error_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.directory.keys import MemberKey, UserKey
from libs.directory.members import MemberRole
from libs.rpc.caller import Caller, decode_caller
from libs.rpc.errors import InvalidArgument, channel_not_found
from libs.rpc.validation import validate
from services.channel.access import Access
from services.channel.channels import Channels
from services.channel.listings import Listings
from services.channel.lists import Lists
from services.channel.memberships import Memberships
from services.channel.positions import Advance, Outcome, Positions, Reached
from services.channel.preferences import PreferenceChanges
from services.channel.public import to_channel, to_member, to_preferences
from services.channel.rules import acting_user
from services.channel.seats import Seats

Request = TypeVar("Request")
Response = TypeVar("Response")


class ChannelService(channel_pb2_grpc.ChannelServiceServicer):
    """See tertulia/chat/v1/channel.proto. The names of the methods are the proto's."""

    def __init__(
        self,
        channels: Channels,
        memberships: Memberships,
        lists: Lists,
        listings: Listings,
        access: Access,
        positions: Positions,
        preferences: PreferenceChanges,
        seats: Seats,
    ) -> None:
        self._channels = channels
        self._memberships = memberships
        self._lists = lists
        self._listings = listings
        self._access = access
        self._positions = positions
        self._preferences = preferences
        self._seats = seats

    async def CreateChannel(
        self,
        request: channel_pb2.CreateChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.CreateChannelRequest, channel_pb2.CreateChannelResponse],
    ) -> channel_pb2.CreateChannelResponse:
        caller = _begin(request, context)
        channel = await self._channels.create(caller, request)
        return channel_pb2.CreateChannelResponse(channel=to_channel(channel))

    async def GetChannel(
        self,
        request: channel_pb2.GetChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.GetChannelRequest, channel_pb2.GetChannelResponse],
    ) -> channel_pb2.GetChannelResponse:
        caller = _begin(request, context, guests=True)
        channel = await self._access.visible(caller, request.channel_id)
        return channel_pb2.GetChannelResponse(channel=to_channel(channel))

    async def UpdateChannel(
        self,
        request: channel_pb2.UpdateChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.UpdateChannelRequest, channel_pb2.UpdateChannelResponse],
    ) -> channel_pb2.UpdateChannelResponse:
        caller = _begin(request, context)
        channel = await self._channels.update(caller, request)
        return channel_pb2.UpdateChannelResponse(channel=to_channel(channel))

    async def DeleteChannel(
        self,
        request: channel_pb2.DeleteChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.DeleteChannelRequest, channel_pb2.DeleteChannelResponse],
    ) -> channel_pb2.DeleteChannelResponse:
        caller = _begin(request, context)
        await self._channels.delete(caller, request.channel_id)
        return channel_pb2.DeleteChannelResponse()

    async def ListOpenChannels(
        self,
        request: channel_pb2.ListOpenChannelsRequest,
        context: grpc.aio.ServicerContext[channel_pb2.ListOpenChannelsRequest, channel_pb2.ListOpenChannelsResponse],
    ) -> channel_pb2.ListOpenChannelsResponse:
        caller = _begin(request, context, guests=True)
        page = await self._listings.open_channels(caller, request.name_prefix, request.page_size, request.page_token)
        return channel_pb2.ListOpenChannelsResponse(
            channels=[to_channel(channel) for channel in page.items], next_page_token=page.next_page_token
        )

    async def JoinChannel(
        self,
        request: channel_pb2.JoinChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.JoinChannelRequest, channel_pb2.JoinChannelResponse],
    ) -> channel_pb2.JoinChannelResponse:
        caller = _begin(request, context)
        channel = await self._memberships.join(caller, request.channel_id)
        return channel_pb2.JoinChannelResponse(channel=to_channel(channel))

    async def AddMembers(
        self,
        request: channel_pb2.AddMembersRequest,
        context: grpc.aio.ServicerContext[channel_pb2.AddMembersRequest, channel_pb2.AddMembersResponse],
    ) -> channel_pb2.AddMembersResponse:
        caller = _begin(request, context)
        channel = await self._memberships.add(caller, request.channel_id, request.user_ids)
        return channel_pb2.AddMembersResponse(channel=to_channel(channel))

    async def RemoveMembers(
        self,
        request: channel_pb2.RemoveMembersRequest,
        context: grpc.aio.ServicerContext[channel_pb2.RemoveMembersRequest, channel_pb2.RemoveMembersResponse],
    ) -> channel_pb2.RemoveMembersResponse:
        caller = _begin(request, context)
        channel = await self._memberships.remove(caller, request.channel_id, request.user_ids)
        return channel_pb2.RemoveMembersResponse(channel=to_channel(channel))

    async def SetMemberRole(
        self,
        request: channel_pb2.SetMemberRoleRequest,
        context: grpc.aio.ServicerContext[channel_pb2.SetMemberRoleRequest, channel_pb2.SetMemberRoleResponse],
    ) -> channel_pb2.SetMemberRoleResponse:
        caller = _begin(request, context)
        role = MemberRole(request.role)
        member = await self._memberships.set_role(caller, request.channel_id, request.user_id, role)
        [position] = await self._positions.of([member.key])
        return channel_pb2.SetMemberRoleResponse(member=to_member(member, position))

    async def LeaveChannel(
        self,
        request: channel_pb2.LeaveChannelRequest,
        context: grpc.aio.ServicerContext[channel_pb2.LeaveChannelRequest, channel_pb2.LeaveChannelResponse],
    ) -> channel_pb2.LeaveChannelResponse:
        caller = _begin(request, context)
        await self._memberships.leave(caller, request.channel_id)
        return channel_pb2.LeaveChannelResponse()

    async def ListMembers(
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

    async def ListMyChannels(
        self,
        request: channel_pb2.ListMyChannelsRequest,
        context: grpc.aio.ServicerContext[channel_pb2.ListMyChannelsRequest, channel_pb2.ListMyChannelsResponse],
    ) -> channel_pb2.ListMyChannelsResponse:
        caller = _begin(request, context)
        page = await self._lists.channels(
            caller, acting_user(caller), request.page_size, request.page_token, include_hidden=request.include_hidden
        )
        return channel_pb2.ListMyChannelsResponse(
            channels=[seat.to_my_channel() for seat in page.seats], next_page_token=page.next_page_token
        )

    async def AdvanceReadPosition(
        self,
        request: channel_pb2.AdvanceReadPositionRequest,
        context: grpc.aio.ServicerContext[
            channel_pb2.AdvanceReadPositionRequest, channel_pb2.AdvanceReadPositionResponse
        ],
    ) -> channel_pb2.AdvanceReadPositionResponse:
        caller = _begin(request, context)
        user = UserKey(caller.application_id, acting_user(caller))
        await self._advance(Reached.READ, user, request.channel_id, request.read_seq)
        seats = await self._seats.of_user(user, [request.channel_id], detailed=0)
        if not seats:
            raise channel_not_found(request.channel_id)
        return channel_pb2.AdvanceReadPositionResponse(
            read_seq=seats[0].position.read_seq, unread_count=seats[0].unread_count
        )

    async def AdvanceDeliveredPosition(
        self,
        request: channel_pb2.AdvanceDeliveredPositionRequest,
        context: grpc.aio.ServicerContext[
            channel_pb2.AdvanceDeliveredPositionRequest, channel_pb2.AdvanceDeliveredPositionResponse
        ],
    ) -> channel_pb2.AdvanceDeliveredPositionResponse:
        caller = _begin(request, context)
        user = UserKey(caller.application_id, acting_user(caller))
        outcome = await self._advance(Reached.DELIVERED, user, request.channel_id, request.delivered_seq)
        return channel_pb2.AdvanceDeliveredPositionResponse(delivered_seq=outcome.position.delivered_seq)

    async def SetChannelPreferences(
        self,
        request: channel_pb2.SetChannelPreferencesRequest,
        context: grpc.aio.ServicerContext[
            channel_pb2.SetChannelPreferencesRequest, channel_pb2.SetChannelPreferencesResponse
        ],
    ) -> channel_pb2.SetChannelPreferencesResponse:
        caller = _begin(request, context)
        preferences = await self._preferences.change(caller, request)
        return channel_pb2.SetChannelPreferencesResponse(preferences=to_preferences(preferences))

    async def _advance(self, reached: Reached, user: UserKey, channel_id: str, seq: int) -> Outcome:
        key = MemberKey(user.application_id, channel_id, user.user_id)
        [outcome] = await self._positions.advance(reached, [Advance(key, seq)])
        if outcome.refusal == access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD:
            raise InvalidArgument(
                f"{reached.value}_seq is above the newest event of the channel",
                error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD,
            )
        if outcome.refusal:
            raise channel_not_found(channel_id)
        return outcome


def _begin(
    request: Message,
    context: grpc.aio.ServicerContext[Request, Response],
    *,
    guests: bool = False,
) -> Caller:
    """What every call begins with: who it is made for, and whether the request keeps the rules of its proto."""
    caller = decode_caller(context.invocation_metadata() or (), guests=guests)
    validate(request)
    return caller
