"""People of a test, and what they do."""

import secrets
from collections.abc import Sequence

from tertulia.chat.v1 import channel_pb2, event_pb2, role_pb2, user_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.caller import Caller
from libs.rpc.client import CALL_SECONDS, call, parts_of
from tests.integration.channel.parts import APPLICATION, Parts

DIRECT = channel_pb2.CHANNEL_KIND_DIRECT
GROUP = channel_pb2.CHANNEL_KIND_GROUP
OPEN = channel_pb2.CHANNEL_KIND_OPEN
BROADCAST = channel_pb2.CHANNEL_KIND_BROADCAST


class Person:
    """Somebody who calls the public API: a user, the application's server key, or both in one; or a guest."""

    def __init__(
        self,
        parts: Parts,
        user_id: str = "",
        *,
        server: bool = False,
        application_id: str = APPLICATION,
        guest: str = "",
    ) -> None:
        self.parts = parts
        self.user_id = user_id
        self.caller = Caller(application_id, user_id, server, guest)

    async def upsert(self, *profiles: user_pb2.UserProfile) -> list[user_pb2.User]:
        request = user_pb2.UpsertUsersRequest(users=profiles)
        return list((await call(self.parts.users.UpsertUsers, request, caller=self.caller)).users)

    async def user(self, user_id: str) -> user_pb2.User:
        request = user_pb2.GetUserRequest(user_id=user_id)
        return (await call(self.parts.users.GetUser, request, caller=self.caller)).user

    async def create(self, request: channel_pb2.CreateChannelRequest) -> channel_pb2.Channel:
        return (await call(self.parts.channels.CreateChannel, request, caller=self.caller)).channel

    async def group(self, *others: "Person", name: str = "", request_id: str = "") -> channel_pb2.Channel:
        return await self.create(
            channel_pb2.CreateChannelRequest(
                kind=GROUP, name=name, member_user_ids=ids(others), client_request_id=request_id
            )
        )

    async def direct(self, other: "Person") -> channel_pb2.Channel:
        return await self.create(channel_pb2.CreateChannelRequest(kind=DIRECT, member_user_ids=[other.user_id]))

    async def get(self, channel_id: str) -> channel_pb2.Channel:
        request = channel_pb2.GetChannelRequest(channel_id=channel_id)
        return (await call(self.parts.channels.GetChannel, request, caller=self.caller)).channel

    async def add(self, channel_id: str, *others: "Person") -> channel_pb2.Channel:
        request = channel_pb2.AddMembersRequest(channel_id=channel_id, user_ids=ids(others))
        return (await call(self.parts.channels.AddMembers, request, caller=self.caller)).channel

    async def remove(self, channel_id: str, *others: "Person") -> channel_pb2.Channel:
        request = channel_pb2.RemoveMembersRequest(channel_id=channel_id, user_ids=ids(others))
        return (await call(self.parts.channels.RemoveMembers, request, caller=self.caller)).channel

    async def join(self, channel_id: str) -> channel_pb2.Channel:
        request = channel_pb2.JoinChannelRequest(channel_id=channel_id)
        return (await call(self.parts.channels.JoinChannel, request, caller=self.caller)).channel

    async def set_role(
        self, channel_id: str, other: "Person", role: role_pb2.MemberRole.ValueType
    ) -> channel_pb2.Member:
        request = channel_pb2.SetMemberRoleRequest(channel_id=channel_id, user_id=other.user_id, role=role)
        return (await call(self.parts.channels.SetMemberRole, request, caller=self.caller)).member

    async def update(
        self, channel_id: str, *, etag: str = "", mask: Sequence[str] | None = None, **fields: object
    ) -> channel_pb2.Channel:
        """Set fields of a channel: those named, or those of `mask`."""
        request = channel_pb2.UpdateChannelRequest(channel_id=channel_id, etag=etag, fields=event_pb2.ChannelFields())
        for name, value in fields.items():
            setattr(request.fields, name, value)
        request.update_mask.paths.extend(fields if mask is None else mask)
        return (await call(self.parts.channels.UpdateChannel, request, caller=self.caller)).channel

    async def delete(self, channel_id: str) -> None:
        request = channel_pb2.DeleteChannelRequest(channel_id=channel_id)
        await call(self.parts.channels.DeleteChannel, request, caller=self.caller)

    async def open_channels(
        self, prefix: str = "", size: int = 0, token: str = ""
    ) -> channel_pb2.ListOpenChannelsResponse:
        request = channel_pb2.ListOpenChannelsRequest(name_prefix=prefix, page_size=size, page_token=token)
        return await call(self.parts.channels.ListOpenChannels, request, caller=self.caller)

    async def prefer(self, channel_id: str, **wishes: bool) -> event_pb2.ChannelPreferences:
        request = channel_pb2.SetChannelPreferencesRequest(channel_id=channel_id)
        for name, value in wishes.items():
            setattr(request, name, value)
        return (await call(self.parts.channels.SetChannelPreferences, request, caller=self.caller)).preferences

    async def block(self, other: "Person") -> None:
        await call(self.parts.users.BlockUser, user_pb2.BlockUserRequest(user_id=other.user_id), caller=self.caller)

    async def unblock(self, other: "Person") -> None:
        await call(self.parts.users.UnblockUser, user_pb2.UnblockUserRequest(user_id=other.user_id), caller=self.caller)

    async def blocked(self, size: int = 0, token: str = "") -> user_pb2.ListBlockedUsersResponse:
        request = user_pb2.ListBlockedUsersRequest(page_size=size, page_token=token)
        return await call(self.parts.users.ListBlockedUsers, request, caller=self.caller)

    async def search(self, prefix: str, size: int = 0, token: str = "") -> user_pb2.SearchUsersResponse:
        request = user_pb2.SearchUsersRequest(name_prefix=prefix, page_size=size, page_token=token)
        return await call(self.parts.users.SearchUsers, request, caller=self.caller)

    async def users(self, size: int = 0, token: str = "") -> user_pb2.ListUsersResponse:
        request = user_pb2.ListUsersRequest(page_size=size, page_token=token)
        return await call(self.parts.users.ListUsers, request, caller=self.caller)

    async def leave(self, channel_id: str) -> None:
        request = channel_pb2.LeaveChannelRequest(channel_id=channel_id)
        await call(self.parts.channels.LeaveChannel, request, caller=self.caller)

    async def members_page(self, channel_id: str, size: int = 0, token: str = "") -> channel_pb2.ListMembersResponse:
        request = channel_pb2.ListMembersRequest(channel_id=channel_id, page_size=size, page_token=token)
        return await call(self.parts.channels.ListMembers, request, caller=self.caller)

    async def members(self, channel_id: str) -> dict[str, channel_pb2.Member]:
        return {member.user_id: member for member in (await self.members_page(channel_id)).members}

    async def channels_page(
        self, size: int = 0, token: str = "", *, hidden: bool = False
    ) -> channel_pb2.ListMyChannelsResponse:
        request = channel_pb2.ListMyChannelsRequest(page_size=size, page_token=token, include_hidden=hidden)
        return await call(self.parts.channels.ListMyChannels, request, caller=self.caller)

    async def channels(self) -> dict[str, channel_pb2.MyChannel]:
        return {mine.channel.channel_id: mine for mine in (await self.channels_page()).channels}

    async def read_to(self, channel_id: str, seq: int) -> channel_pb2.AdvanceReadPositionResponse:
        request = channel_pb2.AdvanceReadPositionRequest(channel_id=channel_id, read_seq=seq)
        return await call(self.parts.channels.AdvanceReadPosition, request, caller=self.caller)

    async def delivered_to(self, channel_id: str, seq: int) -> int:
        request = channel_pb2.AdvanceDeliveredPositionRequest(channel_id=channel_id, delivered_seq=seq)
        response = await call(self.parts.channels.AdvanceDeliveredPosition, request, caller=self.caller)
        return response.delivered_seq

    async def open_inbox(self, channel_id: str = "") -> access_pb2.OpenInboxResponse:
        request = access_pb2.OpenInboxRequest(
            application_id=self.caller.application_id, user_id=self.user_id, channel_id=channel_id
        )
        whole = access_pb2.OpenInboxResponse()
        async for part in parts_of(self.parts.access.OpenInbox, request, timeout=CALL_SECONDS):
            whole.MergeFrom(part)
        return whole

    async def authorize(self, channel_id: str) -> access_pb2.AuthorizeResponse:
        request = access_pb2.AuthorizeRequest(
            application_id=self.caller.application_id, channel_id=channel_id, user_id=self.user_id
        )
        return await call(self.parts.access.Authorize, request)

    async def open_log(self, channel_id: str) -> bytes:
        """The log that a guest may read."""
        request = access_pb2.AuthorizeGuestRequest(application_id=self.caller.application_id, channel_id=channel_id)
        return (await call(self.parts.access.AuthorizeGuest, request)).log_id

    async def inbox(self) -> list[event_pb2.Event]:
        """All entries of the user's inbox."""
        return await self.parts.events((await self.open_inbox()).inbox_log_id)


class Cast:
    """Makes people whose ids no other test of the module uses."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.server = Person(parts, server=True)
        self._suffix = secrets.token_hex(3)

    def named(self, name: str, *, server: bool = False) -> Person:
        """Somebody whose user may or may not exist."""
        return Person(self.parts, f"{name}-{self._suffix}", server=server)

    async def users(self, *names: str) -> list[Person]:
        """People whose users exist."""
        people = [self.named(name) for name in names]
        await self.server.upsert(*(user_pb2.UserProfile(user_id=person.user_id) for person in people))
        return people

    async def open_channel(
        self, name: str, *people: Person, kind: channel_pb2.ChannelKind.ValueType = OPEN
    ) -> channel_pb2.Channel:
        """A channel that the application makes, with an owner: the first of `people`."""
        request = channel_pb2.CreateChannelRequest(
            kind=kind, channel_id=self.channel_id(name), name=name, member_user_ids=ids(people)
        )
        owner = people[0].user_id if people else ""
        return await Person(self.parts, owner, server=True).create(request)

    def channel_id(self, name: str) -> str:
        return f"{name}-{self._suffix}"


def ids(people: "tuple[Person, ...] | list[Person]") -> list[str]:
    return [person.user_id for person in people]
