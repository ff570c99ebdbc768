"""What members may do follows from the channel's kind, their role and blocks, and is exact while it changes."""

import grpc
import pytest
from google.protobuf import empty_pb2
from google.protobuf.message_factory import GetMessageClass
from tertulia.chat.v1 import (
    channel_pb2,
    error_pb2,
    event_pb2,
    message_pb2,
    presence_pb2,
    role_pb2,
    session_pb2,
    user_pb2,
)
from tertulia.tokens import Secret
from tertulia_internal.channel.v1.access_pb2 import KeyScope

from libs.directory.applications import Scope
from services.gateway.methods import OWN, PASSED_ON, methods_of, name_of
from services.gateway.scopes import NEEDED
from tests.integration.gateway.cast import Cast
from tests.integration.gateway.client import Session, session
from tests.integration.gateway.processes import APPLICATION, KEY_PAIR, SECRET, token
from tests.support.api import Api, Refusal
from tests.support.key_pairs import ED25519

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-permissions")]


async def test_tokens_signed_with_a_key_pair_are_as_good_as_those_with_a_secret(
    cast: Cast, channel: grpc.aio.Channel
) -> None:
    room = await cast.group("room", "alice", "bob")
    alices = token(ED25519, KEY_PAIR, sub=cast.id("alice"))
    async with session(channel, alices) as alice, cast.online("bob") as bob:
        await alice.hello()
        await alice.acked(await alice.send(room.channel_id, "hello"))
        await bob.until(lambda: bob.texts(room.log_id) == ["hello"], "the message")
    metadata = [("authorization", f"Bearer {token(ED25519, KEY_PAIR, server=True)}")]
    listed = await cast.channels.GetChannel(
        channel_pb2.GetChannelRequest(channel_id=room.channel_id), metadata=metadata
    )
    assert listed.channel.name == "room"


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SEND, Scope.MANAGE])
async def test_a_server_key_calls_what_its_scope_lets_it_and_nothing_else(
    cast: Cast, channel: grpc.aio.Channel, scope: Scope
) -> None:
    """Every method of the descriptors, alone and on a session. Empty requests: what is not refused for this is for another reason."""
    await cast.group("room", "alice")
    bearer = token(key_id=scope, server=True)
    api = Api(channel, Secret(APPLICATION, scope, SECRET))
    allowed = {name for name, needed in NEEDED.items() if KeyScope.Name(needed) == f"KEY_SCOPE_{scope.upper()}"}
    refused_alone, refused_on_a_session = set(), set()
    async with session(channel, bearer) as opened:
        await opened.hello()
        for method in methods_of((*OWN, *PASSED_ON)):
            name, answer = name_of(method), GetMessageClass(method.output_type)()
            alone = await api.attempt(api.server(cast.id("alice")), name, b"")
            if isinstance(alone, Refusal) and alone.reason == "SCOPE_REQUIRED":
                assert alone.code == "PERMISSION_DENIED"
                refused_alone.add(name)
            failure = await opened.call(name, empty_pb2.Empty(), answer, as_user_id=cast.id("alice"))
            if failure is not None and failure.reason == error_pb2.ERROR_REASON_SCOPE_REQUIRED:
                refused_on_a_session.add(name)
    assert refused_alone == refused_on_a_session == NEEDED.keys() - allowed


@pytest.mark.parametrize(("scope", "may_send", "may_watch"), [("read", False, True), ("send", True, False)])
async def test_so_it_is_with_the_commands_of_a_session(
    cast: Cast, channel: grpc.aio.Channel, scope: str, may_send: bool, may_watch: bool
) -> None:
    room = await cast.group("room", "alice")
    async with session(channel, token(key_id=scope, server=True)) as opened:
        await opened.hello()
        send = await opened.send(room.channel_id, "hello", as_user_id=cast.id("alice"))
        if may_send:
            await opened.acked(send)
        else:
            assert (await opened.failure(send)).reason == error_pb2.ERROR_REASON_SCOPE_REQUIRED
        watch = session_pb2.Watch(request_id=99, user_ids=[cast.id("alice")])
        await opened.write(session_pb2.ClientFrame(watches=[watch]))
        if may_watch:
            await opened.until(lambda: bool(opened.of_kind("presence")), "what was asked for")
        else:
            assert (await opened.failure(99)).reason == error_pb2.ERROR_REASON_SCOPE_REQUIRED


async def test_in_a_broadcast_channel_members_read_and_operators_write(cast: Cast) -> None:
    news = await cast.channel("news", channel_pb2.CHANNEL_KIND_BROADCAST, "olga", "alice")
    async with cast.online("olga") as olga, cast.online("alice") as alice:
        await olga.acked(await olga.send(news.channel_id, "news"))
        await alice.until(lambda: alice.texts(news.log_id) == ["news"], "the news")
        refusal = await alice.failure(await alice.send(news.channel_id, "me too"))
        assert refusal.reason == error_pb2.ERROR_REASON_NOT_ALLOWED
        await cast.set_role(news, "alice", role_pb2.MEMBER_ROLE_OPERATOR)
        await alice.acked(await alice.send(news.channel_id, "now I may"))
        await cast.set_role(news, "alice", role_pb2.MEMBER_ROLE_MEMBER)
        refusal = await alice.failure(await alice.send(news.channel_id, "no longer"))
        assert refusal.reason == error_pb2.ERROR_REASON_NOT_ALLOWED
        await olga.acked(await olga.send(news.channel_id, "the end"))
        await alice.until(lambda: alice.texts(news.log_id)[-1] == "the end", "delivery goes on")


async def test_who_has_not_joined_an_open_channel_is_told_so(cast: Cast) -> None:
    plaza = await cast.channel("plaza", channel_pb2.CHANNEL_KIND_OPEN, "olga")
    await cast.group("other", "alice")
    async with cast.online("alice") as alice:
        refusal = await alice.failure(await alice.send(plaza.channel_id, "hello"))
        assert refusal.reason == error_pb2.ERROR_REASON_NOT_JOINED
        join = channel_pb2.JoinChannelRequest(channel_id=plaza.channel_id)
        assert await alice.call("ChannelService/JoinChannel", join, channel_pb2.JoinChannelResponse()) is None
        await alice.acked(await alice.send(plaza.channel_id, "hello"))
        leave = channel_pb2.LeaveChannelRequest(channel_id=plaza.channel_id)
        assert await alice.call("ChannelService/LeaveChannel", leave, channel_pb2.LeaveChannelResponse()) is None
        refusal = await alice.failure(await alice.send(plaza.channel_id, "hello"))
        assert refusal.reason == error_pb2.ERROR_REASON_NOT_JOINED


async def test_a_deleted_channel_ends_with_its_deletion_for_everybody(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        await bob.acked(await bob.send(room.channel_id, "last words"))
        deletion = channel_pb2.DeleteChannelRequest(channel_id=room.channel_id)
        assert await alice.call("ChannelService/DeleteChannel", deletion, channel_pb2.DeleteChannelResponse()) is None
        for person in (alice, bob):
            await person.until(lambda: _kinds(person, room)[-1] == "channel_deleted", "the deletion")  # noqa: B023 - awaited here
            refusal = await person.failure(await person.send(room.channel_id, "hello?"))
            assert refusal.reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND


async def test_who_is_blocked_is_refused_at_once_and_sees_nothing_of_the_other(cast: Cast) -> None:
    await cast.group("room", "alice", "bob")
    direct = await cast.direct("alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        await bob.write(session_pb2.ClientFrame(watches=[session_pb2.Watch(user_ids=[cast.id("alice")])]))
        await bob.until(lambda: bool(bob.of_kind("presence")), "alice is here")
        await bob.acked(await bob.send(direct.channel_id, "hello"))
        block = user_pb2.BlockUserRequest(user_id=cast.id("bob"))
        assert await alice.call("UserService/BlockUser", block, user_pb2.BlockUserResponse()) is None
        for person in (alice, bob):
            refusal = await person.failure(await person.send(direct.channel_id, "hello?"))
            assert refusal.reason == error_pb2.ERROR_REASON_BLOCKED
        await bob.until(lambda: not bob.of_kind("presence")[-1].presence.online, "alice is away to bob")
        presence = presence_pb2.GetPresenceRequest(user_ids=[cast.id("alice")])
        seen = presence_pb2.GetPresenceResponse()
        assert await bob.call("PresenceService/GetPresence", presence, seen) is None
        assert not seen.presences[0].online
        typing = presence_pb2.SetTypingRequest(channel_id=direct.channel_id, active=True)
        failure = await bob.call("PresenceService/SetTyping", typing, presence_pb2.SetTypingResponse())
        assert failure is not None
        assert failure.reason == error_pb2.ERROR_REASON_BLOCKED
        unblock = user_pb2.UnblockUserRequest(user_id=cast.id("bob"))
        assert await alice.call("UserService/UnblockUser", unblock, user_pb2.UnblockUserResponse()) is None
        await bob.acked(await bob.send(direct.channel_id, "thank you"))
        await bob.until(lambda: bob.of_kind("presence")[-1].presence.online, "alice is back")


async def test_a_delivered_position_is_told_to_the_others(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        seq = await alice.acked(await alice.send(room.channel_id, "hello"))
        marks = [session_pb2.MarkDelivered(channel_id=room.channel_id, delivered_seq=n) for n in (1, seq)]
        await bob.write(session_pb2.ClientFrame(deliveries=marks))
        await alice.until(lambda: bool(alice.of_kind("delivered")), "it has reached bob")
        told = alice.of_kind("delivered")[-1].delivered
        assert (told.user_id, told.delivered_seq) == (cast.id("bob"), seq)


async def test_what_was_said_is_edited_deleted_and_reacted_to(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        seq = await alice.acked(await alice.send(room.channel_id, "helo"))
        message = event_pb2.Message(text="hello")
        edit = message_pb2.EditMessageRequest(channel_id=room.channel_id, seq=seq, client_id="e", message=message)
        reaction = message_pb2.AddReactionRequest(channel_id=room.channel_id, seq=seq, client_id="r", key="👍")
        deletion = message_pb2.DeleteMessageRequest(channel_id=room.channel_id, seq=seq, client_id="d")
        refused = await bob.call("MessageService/EditMessage", edit, message_pb2.EditMessageResponse())
        assert refused is not None
        assert refused.reason == error_pb2.ERROR_REASON_NOT_ALLOWED
        assert await alice.call("MessageService/EditMessage", edit, message_pb2.EditMessageResponse()) is None
        assert await bob.call("MessageService/AddReaction", reaction, message_pb2.AddReactionResponse()) is None
        assert await alice.call("MessageService/DeleteMessage", deletion, message_pb2.DeleteMessageResponse()) is None
        for person in (alice, bob):
            await person.until(lambda: _kinds(person, room)[-1] == "message_deleted", "all of it")  # noqa: B023 - awaited here
            assert _kinds(person, room)[-4:] == ["message", "message_edited", "reaction_changed", "message_deleted"]
        gone = message_pb2.GetMessageResponse()
        get = message_pb2.GetMessageRequest(channel_id=room.channel_id, seq=seq)
        assert await bob.call("MessageService/GetMessage", get, gone) is None
        assert gone.event.state.deleted
        assert b"hel" not in gone.SerializeToString()
        refused = await alice.call("MessageService/EditMessage", edit, message_pb2.EditMessageResponse())
        assert refused is None, "a retry of what was done"
        edit.client_id = "another"
        refused = await alice.call("MessageService/EditMessage", edit, message_pb2.EditMessageResponse())
        assert refused is not None
        assert refused.reason == error_pb2.ERROR_REASON_MESSAGE_DELETED


def _kinds(person: Session, room: channel_pb2.Channel) -> list[str | None]:
    return [event.WhichOneof("content") for event in person.events(room.log_id)] or [None]
