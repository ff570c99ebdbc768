"""The people of one test and their channels."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
from tertulia.chat.v1 import (
    channel_pb2,
    channel_pb2_grpc,
    message_pb2_grpc,
    presence_pb2_grpc,
    role_pb2,
    user_pb2,
    user_pb2_grpc,
)

from tests.integration.gateway.client import Session, session
from tests.integration.gateway.processes import server_token, user_token

Metadata = list[tuple[str, str]]


class Cast:
    """Names people and channels after the test, so that tests do not meet."""

    def __init__(self, connection: grpc.aio.Channel, suffix: str) -> None:
        self._connection = connection
        self._suffix = suffix
        self.channels = channel_pb2_grpc.ChannelServiceStub(connection)
        self.messages = message_pb2_grpc.MessageServiceStub(connection)
        self.presence = presence_pb2_grpc.PresenceServiceStub(connection)
        self._users = user_pb2_grpc.UserServiceStub(connection)

    def id(self, name: str) -> str:
        return f"{name}-{self._suffix}"

    def as_user(self, name: str) -> Metadata:
        return [("authorization", f"Bearer {user_token(self.id(name))}")]

    def as_server(self, acting_for: str = "") -> Metadata:
        metadata = [("authorization", f"Bearer {server_token()}")]
        return [*metadata, ("tertulia-user", self.id(acting_for))] if acting_for else metadata

    async def group(self, name: str, *members: str) -> channel_pb2.Channel:
        """A channel with these people, owned by the first of them."""
        return await self.channel(name, channel_pb2.CHANNEL_KIND_GROUP, *members)

    async def channel(self, name: str, kind: channel_pb2.ChannelKind.ValueType, *members: str) -> channel_pb2.Channel:
        """The same of another kind."""
        profiles = [user_pb2.UserProfile(user_id=self.id(member)) for member in members]
        await self._users.UpsertUsers(user_pb2.UpsertUsersRequest(users=profiles), metadata=self.as_server())
        request = channel_pb2.CreateChannelRequest(
            channel_id=self.id(name), kind=kind, name=name, member_user_ids=[self.id(member) for member in members[1:]]
        )
        response = await self.channels.CreateChannel(request, metadata=self.as_server(members[0]))
        return response.channel

    async def direct(self, one: str, other: str) -> channel_pb2.Channel:
        request = channel_pb2.CreateChannelRequest(
            kind=channel_pb2.CHANNEL_KIND_DIRECT, member_user_ids=[self.id(other)]
        )
        return (await self.channels.CreateChannel(request, metadata=self.as_user(one))).channel

    async def set_role(self, channel: channel_pb2.Channel, member: str, role: role_pb2.MemberRole.ValueType) -> None:
        request = channel_pb2.SetMemberRoleRequest(channel_id=channel.channel_id, user_id=self.id(member), role=role)
        await self.channels.SetMemberRole(request, metadata=self.as_server())

    async def add(self, channel: channel_pb2.Channel, *members: str) -> None:
        profiles = [user_pb2.UserProfile(user_id=self.id(member)) for member in members]
        await self._users.UpsertUsers(user_pb2.UpsertUsersRequest(users=profiles), metadata=self.as_server())
        request = channel_pb2.AddMembersRequest(
            channel_id=channel.channel_id, user_ids=[self.id(member) for member in members]
        )
        await self.channels.AddMembers(request, metadata=self.as_server())

    async def remove(self, channel: channel_pb2.Channel, *members: str) -> None:
        request = channel_pb2.RemoveMembersRequest(
            channel_id=channel.channel_id, user_ids=[self.id(member) for member in members]
        )
        await self.channels.RemoveMembers(request, metadata=self.as_server())

    @asynccontextmanager
    async def online(self, name: str, positions: Mapping[bytes, int] | None = None) -> AsyncIterator[Session]:
        """A caught-up session of one of them."""
        async with session(self._connection, user_token(self.id(name))) as opened:
            await opened.hello(positions)
            yield opened

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Session]:
        """A session of the server key."""
        async with session(self._connection, server_token()) as opened:
            await opened.hello()
            yield opened
