"""People, channels and messages for mistakes to be made with."""

import secrets

from tertulia.chat.v1 import channel_pb2, event_pb2, message_pb2, user_pb2
from tertulia.tokens import Secret

from tests.support.api import Api, Metadata, bearer

PEOPLE = ("alice", "bob", "carol", "eve", "frank")


class Scene:
    """alice owns everything and bob is in everything; carol is in nothing, eve was removed, alice has blocked frank; dave's token is
    another application's."""

    def __init__(self, api: Api, foreign: Secret) -> None:
        self.api = api
        self.foreign = foreign
        self.suffix = secrets.token_hex(4)
        self.alices_seq = 0
        """A message of alice's in the group."""
        self.deleted_seq = 0
        """A deleted message of bob's in the group."""
        self.used_client_id = "used"
        self._direct = ""

    def id(self, name: str) -> str:
        """Of a person, or of a channel: group, open, broadcast, doomed (it was deleted), or direct (alice's with frank)."""
        return self._direct if name == "direct" else f"{name}-{self.suffix}"

    def as_(self, name: str) -> Metadata:
        """The metadata of a person's call; "" is the back end's."""
        return self.api.user(self.id(name)) if name else self.api.server()

    def as_guest(self) -> Metadata:
        """Somebody who is nobody, and another each time."""
        return bearer(self.api.secret.guest_token(secrets.token_hex(8)))

    def as_foreigner(self) -> Metadata:
        return bearer(self.foreign.user_token("dave"))

    async def set(self) -> None:
        """Make the people, the channels and what was said in them."""
        people = [user_pb2.UserProfile(user_id=self.id(name), name=self.id(name)) for name in PEOPLE]
        await self.api.call(
            self.api.server(),
            "UserService/UpsertUsers",
            user_pb2.UpsertUsersRequest(users=people),
            user_pb2.UpsertUsersResponse,
        )
        for kind in ("group", "open", "broadcast", "doomed"):
            await self._create(kind)
        await self._part("eve")
        await self._fall_out("frank")
        await self.api.call(
            self.as_("alice"),
            "ChannelService/DeleteChannel",
            channel_pb2.DeleteChannelRequest(channel_id=self.id("doomed")),
            channel_pb2.DeleteChannelResponse,
        )
        self.alices_seq = await self._say("alice", self.used_client_id)
        self.deleted_seq = await self._say("bob", "doomed")
        await self.api.call(
            self.as_("bob"),
            "MessageService/DeleteMessage",
            message_pb2.DeleteMessageRequest(channel_id=self.id("group"), seq=self.deleted_seq, client_id="doom"),
            message_pb2.DeleteMessageResponse,
        )

    async def _create(self, name: str) -> None:
        kind = {"open": channel_pb2.CHANNEL_KIND_OPEN, "broadcast": channel_pb2.CHANNEL_KIND_BROADCAST}.get(
            name, channel_pb2.CHANNEL_KIND_GROUP
        )
        await self.api.call(
            self.api.server(acting_for=self.id("alice")),
            "ChannelService/CreateChannel",
            channel_pb2.CreateChannelRequest(
                channel_id=self.id(name), kind=kind, name=name, member_user_ids=[self.id("bob"), self.id("eve")]
            ),
            channel_pb2.CreateChannelResponse,
        )

    async def _part(self, name: str) -> None:
        await self.api.call(
            self.as_("alice"),
            "ChannelService/RemoveMembers",
            channel_pb2.RemoveMembersRequest(channel_id=self.id("group"), user_ids=[self.id(name)]),
            channel_pb2.RemoveMembersResponse,
        )

    async def _fall_out(self, name: str) -> None:
        direct = channel_pb2.CreateChannelRequest(kind=channel_pb2.CHANNEL_KIND_DIRECT, member_user_ids=[self.id(name)])
        made = await self.api.call(
            self.as_("alice"), "ChannelService/CreateChannel", direct, channel_pb2.CreateChannelResponse
        )
        self._direct = made.channel.channel_id
        block = user_pb2.BlockUserRequest(user_id=self.id(name))
        await self.api.call(self.as_("alice"), "UserService/BlockUser", block, user_pb2.BlockUserResponse)

    async def _say(self, name: str, client_message_id: str) -> int:
        response = await self.api.call(
            self.as_(name),
            "MessageService/SendMessage",
            send(self.id("group"), client_message_id=client_message_id),
            message_pb2.SendMessageResponse,
        )
        return response.seq


def send(
    channel_id: str, text: str = "hello", client_message_id: str = "", **more: object
) -> message_pb2.SendMessageRequest:
    message = event_pb2.Message(text=text, **more)  # type: ignore[arg-type] # fields of the message
    return message_pb2.SendMessageRequest(
        channel_id=channel_id, client_message_id=client_message_id or secrets.token_hex(8), message=message
    )
