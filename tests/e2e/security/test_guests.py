"""A guest, who is nobody in particular, reads open channels where the application allows it, and nothing else."""

import secrets
from dataclasses import replace
from typing import TypeAlias

import grpc
import pytest
import tertulia
from tertulia.chat.v1 import channel_pb2, message_pb2, session_pb2, session_pb2_grpc
from tertulia_internal.gateway.v1 import carrier_pb2, carrier_pb2_grpc

from tests.e2e.security.scene import Scene, send
from tests.integration.web.door import Http
from tests.support.api import Metadata, Refusal, bearer, refusal_of
from tests.support.stack import ServeStack, Stack

pytestmark = pytest.mark.asyncio(loop_scope="package")

_SECONDS = 20.0
LIST, EVENTS = "MessageService/ListMessages", "MessageService/ListEvents"
READ_ONLY = ("PERMISSION_DENIED", "GUEST_READ_ONLY")

Texts: TypeAlias = list[str]


async def plaza(scene: Scene) -> str:
    """An open channel that nobody knows of so far: alice's."""
    channel_id = f"plaza-{secrets.token_hex(4)}"
    request = channel_pb2.CreateChannelRequest(
        channel_id=channel_id, kind=channel_pb2.CHANNEL_KIND_OPEN, name=channel_id
    )
    metadata = scene.api.server(acting_for=scene.id("alice"))
    await scene.api.call(metadata, "ChannelService/CreateChannel", request, channel_pb2.CreateChannelResponse)
    return channel_id


async def say(scene: Scene, channel_id: str, text: str) -> int:
    request = send(channel_id, text)
    return (
        await scene.api.call(scene.as_("alice"), "MessageService/SendMessage", request, message_pb2.SendMessageResponse)
    ).seq


async def poll(scene: Scene, guest: Metadata, channel_id: str, after_seq: int) -> tuple[Texts, int]:
    """What was said after a seq, and from where to poll the next time."""
    request = message_pb2.ListEventsRequest(channel_id=channel_id, after_seq=after_seq)
    response = await scene.api.call(guest, EVENTS, request, message_pb2.ListEventsResponse)
    said = [event.message.text for event in response.slice.events if event.HasField("message")]
    return said, response.slice.to_seq


async def refused(scene: Scene, metadata: Metadata, channel_id: str) -> tuple[str, str]:
    answer = await scene.api.attempt(metadata, LIST, message_pb2.ListMessagesRequest(channel_id=channel_id))
    assert isinstance(answer, Refusal)
    return answer.code, answer.reason


async def test_a_guest_finds_an_open_channel_reads_it_and_polls_what_comes(scene: Scene) -> None:
    channel_id, guest = await plaza(scene), scene.as_guest()
    seq = await say(scene, channel_id, "first")
    listing = channel_pb2.ListOpenChannelsRequest(name_prefix=channel_id)
    found = await scene.api.call(
        guest, "ChannelService/ListOpenChannels", listing, channel_pb2.ListOpenChannelsResponse
    )
    assert [channel.channel_id for channel in found.channels] == [channel_id]
    page = message_pb2.ListMessagesRequest(channel_id=channel_id)
    listed = await scene.api.call(guest, LIST, page, message_pb2.ListMessagesResponse)
    assert [event.message.text for event in listed.events] == ["first"]
    one = message_pb2.GetMessageRequest(channel_id=channel_id, seq=seq)
    got = await scene.api.call(guest, "MessageService/GetMessage", one, message_pb2.GetMessageResponse)
    assert got.event.message.text == "first"
    said, position = await poll(scene, guest, channel_id, 0)
    assert (said, position) == (["first"], seq)
    assert await poll(scene, guest, channel_id, position) == ([], position)
    await say(scene, channel_id, "second")
    assert await poll(scene, guest, channel_id, position) == (["second"], seq + 1)


async def test_nobody_learns_that_a_guest_was_there(scene: Scene) -> None:
    channel_id, guest = await plaza(scene), scene.as_guest()
    await poll(scene, guest, channel_id, 0)
    request = channel_pb2.ListMembersRequest(channel_id=channel_id)
    members = await scene.api.call(
        scene.as_("alice"), "ChannelService/ListMembers", request, channel_pb2.ListMembersResponse
    )
    assert [member.user_id for member in members.members] == [scene.id("alice")]


async def test_a_channel_that_is_deleted_is_closed_to_guests_at_once(scene: Scene) -> None:
    channel_id, guest = await plaza(scene), scene.as_guest()
    await say(scene, channel_id, "hello")
    assert (await poll(scene, guest, channel_id, 0))[0] == ["hello"]
    delete = channel_pb2.DeleteChannelRequest(channel_id=channel_id)
    await scene.api.call(scene.as_("alice"), "ChannelService/DeleteChannel", delete, channel_pb2.DeleteChannelResponse)
    assert await refused(scene, guest, channel_id) == ("NOT_FOUND", "CHANNEL_NOT_FOUND")


async def test_a_guest_of_another_application_is_none_of_this_one(scene: Scene) -> None:
    """Its key is not this application's, whichever of the two the token names."""
    channel_id = scene.id("open")
    assert await refused(scene, bearer(scene.foreign.guest_token("visit")), channel_id) == (
        "PERMISSION_DENIED",
        "GUESTS_NOT_ALLOWED",
    )
    mixed = replace(scene.foreign, application_id=scene.api.secret.application_id)
    assert await refused(scene, bearer(mixed.guest_token("visit")), channel_id) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_a_guest_opens_no_session_by_any_door(scene: Scene, stack: Stack) -> None:
    guest = scene.as_guest()
    sessions = session_pb2_grpc.SessionServiceStub(scene.api.connection)
    streams = (
        # without a word: one that is written while the stream ends makes grpc.aio tell of INTERNAL
        sessions.Open(metadata=tuple(guest), timeout=_SECONDS),
        sessions.Listen(session_pb2.ListenRequest(), metadata=tuple(guest), timeout=_SECONDS),
    )
    for stream in streams:
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
        refusal = refusal_of(ended.value)
        assert (refusal.code, refusal.reason) == READ_ONLY
    attach = carrier_pb2.Attach(handle=1, authorization=dict(guest)["authorization"])
    carrying = carrier_pb2_grpc.CarrierServiceStub(scene.api.connection).Carry(timeout=_SECONDS)
    await carrying.write(carrier_pb2.CarryRequest(attaches=[attach]))
    response = await carrying.read()
    assert isinstance(response, carrier_pb2.CarryResponse)
    assert [part.ended.failure.code for part in response.parts] == [grpc.StatusCode.PERMISSION_DENIED.value[0]]
    carrying.cancel()
    token = scene.api.secret.guest_token("visit")
    with pytest.raises(tertulia.PermissionDenied, match="sign in"):
        async with tertulia.connect(stack.address, token=token):
            pass


async def test_a_guest_reads_by_http_too(scene: Scene, stack: Stack) -> None:
    if not isinstance(stack, ServeStack):
        return  # that way of running it has no door
    channel_id = await plaza(scene)
    await say(scene, channel_id, "hello")
    guest = Http(stack.web, scene.api.secret.guest_token("visit"))
    events = await guest.ask(EVENTS, {"channelId": channel_id})
    assert [event["message"]["text"] for event in events["slice"]["events"] if "message" in event] == ["hello"]
    answer = await guest.call("ChannelService/JoinChannel", {"channelId": channel_id})
    assert (answer.status, answer.reason) == (403, "GUEST_READ_ONLY")
    hidden = await guest.call(EVENTS, {"channelId": scene.id("group")})
    assert (hidden.status, hidden.reason) == (404, "CHANNEL_NOT_FOUND")
