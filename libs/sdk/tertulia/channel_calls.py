"""Channels and who is in them."""

import secrets
from collections.abc import AsyncIterator, Sequence

from google.protobuf import field_mask_pb2
from google.protobuf.message import Message as ProtoMessage

from tertulia.caller import MAX_BATCH, Caller, Response, batches, pages
from tertulia.chat.v1 import channel_pb2, event_pb2
from tertulia.errors import NotFound, OutcomeUnknown, PermissionDenied, Refused
from tertulia.models import Channel, ChannelKind, Member, MemberRole, MyChannel, Preferences
from tertulia.readings import (
    KIND_TO_PROTO,
    ROLE_TO_PROTO,
    channel_from,
    member_from,
    my_channel_from,
    preferences_from,
)

_DONE_BEFORE = {"CHANNEL_NOT_FOUND", "NOT_JOINED"}


class ChannelCalls:
    """Channels and who is in them. A channel of which one is no member is NotFound (CHANNEL_NOT_FOUND); an open one that was
    not joined, PermissionDenied (NOT_JOINED)."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    # --- one channel --------------------------------------------------------------------------------------------------

    async def create(
        self,
        kind: ChannelKind,
        members: Sequence[str] = (),
        *,
        name: str = "",
        channel_id: str = "",
        cover_url: str = "",
        custom_data: str = "",
        slow_mode_seconds: int = 0,
    ) -> Channel:
        """Make a channel with the caller and these people in it. Only server keys choose an id, and make open and broadcast
        channels. Repeating it under the same id answers with the channel as it is; more than 100 people are added in batches.

        Raises:
            AlreadyExists: CHANNEL_EXISTS.
            NotFound: USER_NOT_FOUND.
            PermissionDenied: SERVER_KEY_REQUIRED, or BLOCKED by one of the members.
        """
        first, rest = members[:MAX_BATCH], members[MAX_BATCH:]
        request = channel_pb2.CreateChannelRequest(
            channel_id=channel_id,
            kind=KIND_TO_PROTO[kind],
            name=name,
            member_user_ids=first,
            client_request_id=secrets.token_urlsafe(16),
            cover_url=cover_url,
            custom_data=custom_data,
            slow_mode_seconds=slow_mode_seconds,
        )
        response = await self._call("ChannelService/CreateChannel", request, channel_pb2.CreateChannelResponse)
        channel = channel_from(response.channel)
        return await self.add_members(channel.channel_id, rest) if rest else channel

    async def create_group(self, members: Sequence[str] = (), *, name: str = "", channel_id: str = "") -> Channel:
        """A group: see `create`."""
        return await self.create(ChannelKind.GROUP, members, name=name, channel_id=channel_id)

    async def create_direct(self, with_user: str) -> Channel:
        """The channel of the caller and one other person; its id follows from who they are. See `create`."""
        return await self.create(ChannelKind.DIRECT, [with_user])

    async def get(self, channel_id: str) -> Channel:
        """A channel of the caller's, or an open one (server keys: any)."""
        request = channel_pb2.GetChannelRequest(channel_id=channel_id)
        response = await self._call("ChannelService/GetChannel", request, channel_pb2.GetChannelResponse)
        return channel_from(response.channel)

    async def update(
        self,
        channel_id: str,
        *,
        name: str | None = None,
        cover_url: str | None = None,
        custom_data: str | None = None,
        slow_mode_seconds: int | None = None,
        etag: str = "",
    ) -> Channel:
        """Change what is given of a channel that is not direct. For its owners, operators and server keys.

        Args:
            etag: `Channel.etag` as it was last seen; then only if nobody changed it since. Empty: whatever it is.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            Aborted: ETAG_MISMATCH.
            ValueError: nothing is given.
        """
        given = {
            "name": name,
            "cover_url": cover_url,
            "custom_data": custom_data,
            "slow_mode_seconds": slow_mode_seconds,
        }
        paths = [field for field, value in given.items() if value is not None]
        if not paths:
            raise ValueError("nothing to change was given")
        fields = event_pb2.ChannelFields(
            name=name or "",
            cover_url=cover_url or "",
            custom_data=custom_data or "",
            slow_mode_seconds=slow_mode_seconds or 0,
        )
        request = channel_pb2.UpdateChannelRequest(
            channel_id=channel_id, fields=fields, update_mask=field_mask_pb2.FieldMask(paths=paths), etag=etag
        )
        response = await self._call("ChannelService/UpdateChannel", request, channel_pb2.UpdateChannelResponse)
        return channel_from(response.channel)

    async def delete(self, channel_id: str) -> None:
        """Delete a channel that is not direct, with all that was said in it, for everybody and for ever. For its owners and
        server keys.

        Raises:
            PermissionDenied: NOT_ALLOWED.
        """
        request = channel_pb2.DeleteChannelRequest(channel_id=channel_id)
        await self._once("ChannelService/DeleteChannel", request, channel_pb2.DeleteChannelResponse)

    # --- being a member -----------------------------------------------------------------------------------------------

    async def join(self, channel_id: str) -> Channel:
        """Join an open channel. Of a member: changes nothing."""
        request = channel_pb2.JoinChannelRequest(channel_id=channel_id)
        response = await self._call("ChannelService/JoinChannel", request, channel_pb2.JoinChannelResponse)
        return channel_from(response.channel)

    async def leave(self, channel_id: str) -> None:
        """Leave a channel that is not direct."""
        request = channel_pb2.LeaveChannelRequest(channel_id=channel_id)
        await self._once("ChannelService/LeaveChannel", request, channel_pb2.LeaveChannelResponse)

    async def set_preferences(
        self,
        channel_id: str,
        *,
        muted: bool | None = None,
        pinned: bool | None = None,
        hidden: bool | None = None,
        marked_unread: bool | None = None,
    ) -> Preferences:
        """Say how the caller wants to have a channel; what is not given stays as it is. All devices of the user hear of it.

        Raises:
            ResourceExhausted: LIMIT_REACHED, 100 channels are pinned already.
        """
        request = channel_pb2.SetChannelPreferencesRequest(
            channel_id=channel_id, muted=muted, pinned=pinned, hidden=hidden, marked_unread=marked_unread
        )
        response = await self._call(
            "ChannelService/SetChannelPreferences", request, channel_pb2.SetChannelPreferencesResponse
        )
        return preferences_from(response.preferences)

    async def mark_read(self, channel_id: str, seq: int) -> int:
        """Everything up to `seq` is read; answers where the position is now, which never goes back. Where nobody waits for an
        answer there is `Client.mark_read`.

        Raises:
            InvalidArgument: POSITION_ABOVE_HEAD.
        """
        request = channel_pb2.AdvanceReadPositionRequest(channel_id=channel_id, read_seq=seq)
        response = await self._call(
            "ChannelService/AdvanceReadPosition", request, channel_pb2.AdvanceReadPositionResponse
        )
        return response.read_seq

    # --- the others ---------------------------------------------------------------------------------------------------

    async def add_members(self, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Add people to a channel that is not direct, in batches of 100. For its owners, operators and server keys.

        Raises:
            PermissionDenied: NOT_ALLOWED, or BLOCKED by one of them.
            NotFound: USER_NOT_FOUND, CHANNEL_NOT_FOUND.
            ValueError: nobody was named.
        """
        for batch in batches(user_ids):
            request = channel_pb2.AddMembersRequest(channel_id=channel_id, user_ids=batch)
            response = await self._call("ChannelService/AddMembers", request, channel_pb2.AddMembersResponse)
            channel = response.channel
        return channel_from(channel)

    async def remove_members(self, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Remove people, in batches of 100. For owners, operators and server keys; owners and operators are removed by owners
        and server keys only.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            ValueError: nobody was named.
        """
        for batch in batches(user_ids):
            request = channel_pb2.RemoveMembersRequest(channel_id=channel_id, user_ids=batch)
            response = await self._call("ChannelService/RemoveMembers", request, channel_pb2.RemoveMembersResponse)
            channel = response.channel
        return channel_from(channel)

    async def set_role(self, channel_id: str, user_id: str, role: MemberRole) -> Member:
        """Give a member another role. For owners and server keys.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            NotFound: MEMBER_NOT_FOUND.
            FailedPrecondition: LAST_OWNER.
        """
        request = channel_pb2.SetMemberRoleRequest(channel_id=channel_id, user_id=user_id, role=ROLE_TO_PROTO[role])
        response = await self._call("ChannelService/SetMemberRole", request, channel_pb2.SetMemberRoleResponse)
        return member_from(response.member)

    async def members(self, channel_id: str) -> AsyncIterator[Member]:
        """All members, in order of user id, with what they have got and read."""

        async def ask(token: str) -> channel_pb2.ListMembersResponse:
            request = channel_pb2.ListMembersRequest(channel_id=channel_id, page_size=1_000, page_token=token)
            return await self._call("ChannelService/ListMembers", request, channel_pb2.ListMembersResponse)

        async for page in pages(ask):
            for member in page.members:
                yield member_from(member)

    # --- lists --------------------------------------------------------------------------------------------------------

    async def mine(self, *, include_hidden: bool = False) -> AsyncIterator[MyChannel]:
        """The caller's channels: pinned ones first, then by the latest activity. One that is active meanwhile may be told
        twice."""

        async def ask(token: str) -> channel_pb2.ListMyChannelsResponse:
            request = channel_pb2.ListMyChannelsRequest(page_size=200, page_token=token, include_hidden=include_hidden)
            return await self._call("ChannelService/ListMyChannels", request, channel_pb2.ListMyChannelsResponse)

        async for page in pages(ask):
            for mine in page.channels:
                yield my_channel_from(mine)

    async def open(self, name_prefix: str = "") -> AsyncIterator[Channel]:
        """The application's open channels in order of their names; only those whose name begins so, where given."""

        async def ask(token: str) -> channel_pb2.ListOpenChannelsResponse:
            request = channel_pb2.ListOpenChannelsRequest(name_prefix=name_prefix, page_size=200, page_token=token)
            return await self._call("ChannelService/ListOpenChannels", request, channel_pb2.ListOpenChannelsResponse)

        async for page in pages(ask):
            for channel in page.channels:
                yield channel_from(channel)

    async def _once(self, method: str, request: ProtoMessage, response_type: type[Response]) -> None:
        """What is refused as CHANNEL_NOT_FOUND (of an open channel, NOT_JOINED) when it is done again. After a try of which
        nobody knows how it ended, that answer means that it is done."""
        try:
            await self._call(method, request, response_type, repeat=False)
        except (OutcomeUnknown, Refused) as error:
            if isinstance(error, Refused) and not error.retryable:
                raise
            try:
                await self._call(method, request, response_type)
            except (NotFound, PermissionDenied) as again:
                if again.reason not in _DONE_BEFORE:
                    raise
