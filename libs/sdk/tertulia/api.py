"""Users, channels and presence: the unary services, called on the session."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

from google.protobuf.message import Message as ProtoMessage

from tertulia.calls import Calls
from tertulia.chat.v1 import channel_pb2, presence_pb2, user_pb2
from tertulia.models import (
    KIND_TO_PROTO,
    Channel,
    ChannelKind,
    Member,
    MyChannel,
    Presence,
    User,
    channel_from,
    member_from,
    my_channel_from,
    presence_from,
    user_from,
)

CALL_SECONDS = 15.0
"""How long a call may take, retries and reconnecting included, where the caller does not say."""

MAX_BATCH = 100
"""Users or members in one request (the protocol's limit); the methods here split what is longer."""

Response = TypeVar("Response", bound=ProtoMessage)


class Caller:
    """Calls methods, in the name of a user where a server key allows it."""

    def __init__(self, calls: Calls, as_user: str) -> None:
        self._calls = calls
        self._as_user = as_user

    async def __call__(
        self,
        method: str,
        request: ProtoMessage,
        response_type: type[Response],
        *,
        timeout: float = CALL_SECONDS,
        repeat: bool = True,
    ) -> Response:
        """See `Actor.call`."""
        answer = await self._calls.call(method, request.SerializeToString(), self._as_user, timeout, repeat)
        return response_type.FromString(answer)


class UserCalls:
    """People's profiles."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def get(self, user_id: str) -> User:
        """A user's profile.

        Raises:
            NotFound: USER_NOT_FOUND.
        """
        request = user_pb2.GetUserRequest(user_id=user_id)
        return user_from((await self._call("UserService/GetUser", request, user_pb2.GetUserResponse)).user)

    async def set(self, user_id: str, *, name: str | None = None, avatar_url: str | None = None) -> User:
        """Make a user, or change what is given of one. A user changes only itself; a server key any.

        Raises:
            PermissionDenied: somebody else's profile.
        """
        profile = user_pb2.UserProfile(user_id=user_id, name=name, avatar_url=avatar_url)
        return (await self._upsert([profile]))[0]

    async def ensure(self, user_ids: Sequence[str]) -> list[User]:
        """Make those that do not exist; answers all, in this order. In batches of 100."""
        users: list[User] = []
        for batch in batches(user_ids):
            users += await self._upsert([user_pb2.UserProfile(user_id=user_id) for user_id in batch])
        return users

    async def set_names(self, names: Mapping[str, str]) -> None:
        """Name many users at once: id → name. In batches of 100. For server keys."""
        for batch in batches(list(names)):
            await self._upsert([user_pb2.UserProfile(user_id=user_id, name=names[user_id]) for user_id in batch])

    async def _upsert(self, profiles: Sequence[user_pb2.UserProfile]) -> list[User]:
        request = user_pb2.UpsertUsersRequest(users=profiles)
        response = await self._call("UserService/UpsertUsers", request, user_pb2.UpsertUsersResponse)
        return [user_from(user) for user in response.users]


class ChannelCalls:
    """Channels and who is in them. A channel of which one is no member is NotFound (CHANNEL_NOT_FOUND)."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def create_group(self, members: Sequence[str] = (), *, name: str = "", channel_id: str = "") -> Channel:
        """Make a group with the caller and these people in it. Only server keys choose an id. Repeating it under the same
        id answers with the group as it is; more than 100 people are added in batches.

        Raises:
            AlreadyExists: CHANNEL_EXISTS.
            NotFound: USER_NOT_FOUND.
        """
        first, rest = members[:MAX_BATCH], members[MAX_BATCH:]
        channel = await self._create(ChannelKind.GROUP, first, name, channel_id)
        return await self.add_members(channel.channel_id, rest) if rest else channel

    async def create_direct(self, with_user: str) -> Channel:
        """The channel of the caller and one other person; its id follows from who they are.

        Raises:
            NotFound: USER_NOT_FOUND.
        """
        return await self._create(ChannelKind.DIRECT, [with_user], "", "")

    async def _create(self, kind: ChannelKind, members: Sequence[str], name: str, channel_id: str) -> Channel:
        request = channel_pb2.CreateChannelRequest(
            channel_id=channel_id,
            kind=KIND_TO_PROTO[kind],
            name=name,
            member_user_ids=members,
            client_request_id=secrets.token_urlsafe(16),
        )
        response = await self._call("ChannelService/CreateChannel", request, channel_pb2.CreateChannelResponse)
        return channel_from(response.channel)

    async def get(self, channel_id: str) -> Channel:
        """A channel of the caller's (server keys: any)."""
        request = channel_pb2.GetChannelRequest(channel_id=channel_id)
        response = await self._call("ChannelService/GetChannel", request, channel_pb2.GetChannelResponse)
        return channel_from(response.channel)

    async def add_members(self, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Add people to a group, in batches of 100. For its owners and server keys.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            NotFound: USER_NOT_FOUND, CHANNEL_NOT_FOUND.
            ValueError: nobody was named.
        """
        for batch in batches(user_ids):
            request = channel_pb2.AddMembersRequest(channel_id=channel_id, user_ids=batch)
            response = await self._call("ChannelService/AddMembers", request, channel_pb2.AddMembersResponse)
            channel = response.channel
        return channel_from(channel)

    async def remove_members(self, channel_id: str, user_ids: Sequence[str]) -> Channel:
        """Remove people from a group, in batches of 100. For its owners and server keys.

        Raises:
            PermissionDenied: NOT_ALLOWED.
            ValueError: nobody was named.
        """
        for batch in batches(user_ids):
            request = channel_pb2.RemoveMembersRequest(channel_id=channel_id, user_ids=batch)
            response = await self._call("ChannelService/RemoveMembers", request, channel_pb2.RemoveMembersResponse)
            channel = response.channel
        return channel_from(channel)

    async def leave(self, channel_id: str) -> None:
        """Leave a group.

        Raises:
            OutcomeUnknown: the connection broke before the answer. Leaving twice is refused, so it is not repeated.
        """
        request = channel_pb2.LeaveChannelRequest(channel_id=channel_id)
        await self._call("ChannelService/LeaveChannel", request, channel_pb2.LeaveChannelResponse, repeat=False)

    async def members(self, channel_id: str) -> AsyncIterator[Member]:
        """All members, in order of user id."""
        token = ""
        while True:
            request = channel_pb2.ListMembersRequest(channel_id=channel_id, page_size=1_000, page_token=token)
            page = await self._call("ChannelService/ListMembers", request, channel_pb2.ListMembersResponse)
            for member in page.members:
                yield member_from(member)
            token = page.next_page_token
            if not token:
                return

    async def mine(self) -> AsyncIterator[MyChannel]:
        """The caller's channels, the latest activity first. One that is active meanwhile may be told twice."""
        token = ""
        while True:
            request = channel_pb2.ListMyChannelsRequest(page_size=200, page_token=token)
            page = await self._call("ChannelService/ListMyChannels", request, channel_pb2.ListMyChannelsResponse)
            for mine in page.channels:
                yield my_channel_from(mine)
            token = page.next_page_token
            if not token:
                return


class PresenceCalls:
    """Who is here."""

    def __init__(self, call: Caller) -> None:
        self._call = call

    async def get(self, user_ids: Sequence[str]) -> list[Presence]:
        """The presence of some users, in this order."""
        found: list[Presence] = []
        for batch in batches(user_ids):
            request = presence_pb2.GetPresenceRequest(user_ids=batch)
            response = await self._call("PresenceService/GetPresence", request, presence_pb2.GetPresenceResponse)
            found += [presence_from(presence) for presence in response.presences]
        return found


def batches(items: Sequence[str]) -> list[Sequence[str]]:
    """Parts that fit into a request.

    Raises:
        ValueError: there are no items.
    """
    if not items:
        raise ValueError("nobody was named")
    return [items[start : start + MAX_BATCH] for start in range(0, len(items), MAX_BATCH)]
