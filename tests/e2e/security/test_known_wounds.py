"""What hurt other chat servers does not hurt this one. Each test names the case; where an advisory says little, what it says is taken
for the whole class."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import psutil
import pytest
from google.protobuf.message import Message
from tertulia.chat.v1 import channel_pb2, event_pb2, message_pb2, session_pb2, session_pb2_grpc, user_pb2
from tertulia_internal.gateway.v1 import carrier_pb2, carrier_pb2_grpc

from tests.e2e.security.scene import Scene, send
from tests.integration.web.door import Http
from tests.support.api import Metadata, Refusal, bearer
from tests.support.stack import ServeStack, Stack

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECONDS = 30.0
NOT_FOUND = ("NOT_FOUND", "CHANNEL_NOT_FOUND")
LIST = "MessageService/ListMessages"


async def refused(scene: Scene, metadata: Metadata, method: str, request: Message) -> tuple[str, str]:
    answer = await scene.api.attempt(metadata, method, request)
    assert isinstance(answer, Refusal), f"{method} was done"
    return answer.code, answer.reason


async def page(scene: Scene, metadata: Metadata, channel_id: str, **fields: Any) -> message_pb2.ListMessagesResponse:
    request = message_pb2.ListMessagesRequest(channel_id=channel_id, **fields)
    return await scene.api.call(metadata, LIST, request, message_pb2.ListMessagesResponse)


@asynccontextmanager
async def heard(
    scene: Scene, metadata: Metadata, frame: session_pb2.ClientFrame
) -> AsyncIterator[AsyncIterator[session_pb2.ServerFrame]]:
    """What comes on a session that begins with a frame."""
    stub = session_pb2_grpc.SessionServiceStub(scene.api.connection)
    stream = stub.Open(metadata=tuple(metadata), timeout=SECONDS)
    try:
        await stream.write(frame)
        yield aiter(stream)
    finally:
        stream.cancel()


async def test_a_log_that_is_named_at_the_hello_is_shown_to_its_members_only(scene: Scene) -> None:
    """State and history to somebody who is no member: Synapse CVE-2022-39335; Rocket.Chat, 2021."""
    request = channel_pb2.GetChannelRequest(channel_id=scene.id("group"))
    channel = await scene.api.call(
        scene.as_("alice"), "ChannelService/GetChannel", request, channel_pb2.GetChannelResponse
    )
    log_id = channel.channel.log_id
    hello = session_pb2.ClientFrame(hello=session_pb2.Hello(positions=[session_pb2.Position(log_id=log_id, seq=0)]))
    shown = {}
    for name in ("bob", "carol", "eve"):
        async with heard(scene, scene.as_(name), hello) as frames:
            shown[name] = False
            async for frame in frames:
                told = [s.log_id for s in frame.slices] + [n.channel.channel.log_id for n in frame.notices]
                shown[name] |= log_id in (*told, *(n.gap.log_id for n in frame.notices))
                if any(notice.HasField("caught_up") for notice in frame.notices):
                    break
    assert shown == {"bob": True, "carol": False, "eve": False}


STRANGE = (
    {"text": "\ufffe\uffff\u202e\u2066 \x01\x7f"},
    {"custom_data": "{" * 8_000},
    {"custom_data": '{"a": NaN, "$ref": "#", "__proto__": {}}', "custom_type": "../../etc"},
    {"text": "x" * 10_000, "custom_data": "é" * 8_192},
    {"text": "@", "mentioned_user_ids": ["nobody-at-all", "*", ">", "\u202e"]},
    {"text": "\N{PILE OF POO}\u200d" * 3_000},
)


async def test_a_strange_message_stops_nothing_for_anybody_else(scene: Scene, stack: Stack) -> None:
    """One malformed event that wedges delivery or pagination: Synapse CVE-2025-30355, CVE-2026-45076."""
    channel_id = scene.id("open")
    hello = session_pb2.ClientFrame(hello=session_pb2.Hello())
    async with heard(scene, scene.as_("bob"), hello) as frames:
        for fields in STRANGE:
            await scene.api.call(
                scene.as_("alice"),
                "MessageService/SendMessage",
                send(channel_id, **{"text": "", **fields}),  # type: ignore[arg-type] # fields of a message
                message_pb2.SendMessageResponse,
            )
        unknown_field = send(channel_id, "from tomorrow").SerializeToString() + b"\xfa\x3f\x03abc"
        await scene.api.call(
            scene.as_("alice"), "MessageService/SendMessage", unknown_field, message_pb2.SendMessageResponse
        )
        await scene.api.call(
            scene.as_("alice"), "MessageService/SendMessage", send(channel_id, "last"), message_pb2.SendMessageResponse
        )
        async for frame in frames:
            if any(event.message.text == "last" for piece in frame.slices for event in piece.events):
                break
    seen: list[event_pb2.Event] = []
    answer = await page(scene, scene.as_("bob"), channel_id, page_size=2)
    seen += answer.events
    while answer.older_page_token:
        answer = await page(scene, scene.as_("bob"), channel_id, page_size=2, page_token=answer.older_page_token)
        seen += answer.events
    assert len(seen) == len(STRANGE) + 2
    if isinstance(stack, ServeStack):
        bob = Http(stack.web, dict(scene.as_("bob"))["authorization"].removeprefix("Bearer "))
        events = (await bob.ask(LIST, {"channelId": channel_id}))["events"]
        assert len(events) == len(STRANGE) + 2


async def test_a_token_of_another_flow_or_tenant_is_none(scene: Scene) -> None:
    """Mattermost CVE-2025-12421."""
    mine, theirs = scene.api.secret, scene.foreign
    alice = {"sub": scene.id("alice"), "aud": "tertulia", "exp": time.time() + 600}
    listed = await page(scene, scene.as_("alice"), scene.id("group"), page_size=1)

    def signed(text: str, key_id: str, **claims: object) -> str:
        return jwt.encode({**alice, **claims}, text, algorithm="HS256", headers={"kid": key_id})

    for token in (
        signed(theirs.text, theirs.key_id, iss=mine.application_id),
        signed(theirs.text, mine.key_id, iss=mine.application_id),
        signed(mine.text, mine.key_id, iss=theirs.application_id),
        signed(mine.text, mine.key_id, iss=mine.application_id, aud="tertulia-web"),
        signed(mine.text, mine.key_id, iss=mine.application_id, server=True),
        signed(mine.text, mine.key_id, iss=mine.application_id, server=1),
        listed.older_page_token,
        mine.text,
    ):
        request = channel_pb2.GetChannelRequest(channel_id=scene.id("group"))
        assert (await refused(scene, bearer(token), "ChannelService/GetChannel", request))[0] == "UNAUTHENTICATED"


async def test_what_was_given_to_one_tenant_opens_nothing_of_another(scene: Scene) -> None:
    """Invites that are used again in another organisation: Zulip CVE-2022-21706. Here: page tokens, and ids that both have."""
    users = user_pb2.ListUsersRequest(page_size=1)
    mine = await scene.api.call(scene.as_(""), "UserService/ListUsers", users, user_pb2.ListUsersResponse)
    assert mine.next_page_token
    users.page_token = mine.next_page_token
    foreign_server = bearer(scene.foreign.server_token())
    assert await refused(scene, foreign_server, "UserService/ListUsers", users) == (
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
    )
    listed = await page(scene, scene.as_("alice"), scene.id("group"), page_size=1)
    again = message_pb2.ListMessagesRequest(channel_id=scene.id("open"), page_token=listed.older_page_token)
    assert await refused(scene, scene.as_("alice"), LIST, again) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")


async def test_who_was_shut_out_reads_nothing_more(scene: Scene) -> None:
    """A deactivated user who goes on reading: Zulip CVE-2016-4427."""
    user_id = f"gone-{secrets.token_hex(4)}"
    people = user_pb2.UpsertUsersRequest(users=[user_pb2.UserProfile(user_id=user_id)])
    await scene.api.call(scene.as_(""), "UserService/UpsertUsers", people, user_pb2.UpsertUsersResponse)
    join = channel_pb2.JoinChannelRequest(channel_id=scene.id("open"))
    metadata = scene.api.user(user_id)
    await scene.api.call(metadata, "ChannelService/JoinChannel", join, channel_pb2.JoinChannelResponse)
    await page(scene, metadata, scene.id("open"))
    revoke = user_pb2.RevokeTokensRequest(user_id=user_id)
    await scene.api.call(scene.as_(""), "UserService/RevokeTokens", revoke, user_pb2.RevokeTokensResponse)
    request = message_pb2.ListMessagesRequest(channel_id=scene.id("open"))
    assert await refused(scene, metadata, LIST, request) == ("UNAUTHENTICATED", "TOKEN_REVOKED")


async def test_nobody_speaks_under_the_name_of_another(scene: Scene) -> None:
    """A forged sender on what is passed on: XMPP CVE-2017-5589."""
    forged = session_pb2.Send(
        request_id=1,
        channel_id=scene.id("group"),
        client_message_id=secrets.token_hex(8),
        message=event_pb2.Message(text="it was bob"),
        as_user_id=scene.id("bob"),
    )
    # and as the fields of an event, where a server that joins bytes might take them for its own
    smuggled = send(scene.id("group"), "it was alice").SerializeToString()
    smuggled += event_pb2.Event(sender_user_id=scene.id("bob"), seq=1).SerializeToString()
    frame = session_pb2.ClientFrame(hello=session_pb2.Hello(), sends=[forged])
    async with heard(scene, scene.as_("alice"), frame) as frames:
        async for answer in frames:
            if answer.failures or answer.acks:
                assert [failure.code for failure in answer.failures] == [7], "PERMISSION_DENIED"
                break
    await scene.api.attempt(scene.as_("alice"), "MessageService/SendMessage", smuggled)
    said = (await page(scene, scene.as_("alice"), scene.id("group"))).events
    assert "it was bob" not in [event.message.text for event in said]
    assert {event.sender_user_id for event in said if event.message.text == "it was alice"} <= {scene.id("alice")}


async def test_strangers_cannot_make_the_gateway_work_or_remember_much(scene: Scene, stack: Stack) -> None:
    """Amplification and floods before anybody has said who they are: Prosody CVE-2026-43506, CVE-2026-43507."""
    process = psutil.Process(stack.pid("gateway"))
    before = process.memory_info().rss
    attaches = [carrier_pb2.Attach(handle=handle) for handle in range(1, 30_001)]
    flood = carrier_pb2.CarryRequest(attaches=attaches)
    streams = [carrier_pb2_grpc.CarrierServiceStub(scene.api.connection).Carry(timeout=SECONDS) for _ in range(2)]
    try:
        for stream in streams:
            await stream.write(flood)  # and not one of the answers is read
        assert (await page(scene, scene.as_("alice"), scene.id("group"))).head_seq
        assert process.memory_info().rss - before < 64 * 1024 * 1024
    finally:
        for stream in streams:
            stream.cancel()
    answer = await scene.api.attempt([], LIST, message_pb2.ListMessagesRequest(channel_id="x" * 60))
    assert isinstance(answer, Refusal)
    assert len(answer.message) < 200


async def test_nobody_is_served_what_was_made_for_another(scene: Scene) -> None:
    """A shared cache that answers one user with the data of another: Zulip Cloud, 2021."""
    same = scene.id("group")
    foreign_server = bearer(scene.foreign.server_token())
    people = user_pb2.UpsertUsersRequest(users=[user_pb2.UserProfile(user_id="dave", name="of another application")])
    await scene.api.call(foreign_server, "UserService/UpsertUsers", people, user_pb2.UpsertUsersResponse)
    create = channel_pb2.CreateChannelRequest(
        channel_id=same, kind=channel_pb2.CHANNEL_KIND_GROUP, name="theirs", member_user_ids=["dave"]
    )
    await scene.api.call(foreign_server, "ChannelService/CreateChannel", create, channel_pb2.CreateChannelResponse)
    get = channel_pb2.GetChannelRequest(channel_id=same)

    async def name_of(metadata: Metadata) -> str:
        made = await scene.api.call(metadata, "ChannelService/GetChannel", get, channel_pb2.GetChannelResponse)
        return made.channel.name

    for _ in range(10):
        names = await asyncio.gather(
            name_of(scene.as_("alice")),
            name_of(scene.as_foreigner()),
            refused(scene, scene.as_("carol"), "ChannelService/GetChannel", get),
            page(scene, scene.as_("alice"), same),
            page(scene, scene.as_foreigner(), same),
        )
        assert (names[0], names[1], names[2]) == ("group", "theirs", NOT_FOUND)
        assert names[3].events
        assert not names[4].events


async def test_an_operator_is_no_text_and_a_pattern_is_only_text(scene: Scene, stack: Stack) -> None:
    """Objects with operators where texts are expected: Rocket.Chat CVE-2021-22911."""
    for prefix in ("%", "_", "*", ".*", "' OR 1=1 --", "\\"):
        request = user_pb2.SearchUsersRequest(name_prefix=prefix)
        found = await scene.api.call(scene.as_(""), "UserService/SearchUsers", request, user_pb2.SearchUsersResponse)
        assert all(user.name.startswith(prefix) for user in found.users), prefix
    if not isinstance(stack, ServeStack):
        return  # that way of running it speaks no JSON
    alice = Http(stack.web, dict(scene.as_("alice"))["authorization"].removeprefix("Bearer "))
    for operator in ({"$ne": None}, {"$regex": ".*"}, {"$gt": ""}, ["x"], 7, True):
        for method, field in (
            ("UserService/GetUser", "userId"),
            (LIST, "channelId"),
            ("UserService/SearchUsers", "namePrefix"),
        ):
            answer = await alice.call(method, {field: operator})
            assert (answer.status, answer.reason) == (400, "FRAME_INVALID"), (method, operator, answer.body)
