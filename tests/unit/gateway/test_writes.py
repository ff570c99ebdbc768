"""Edits, deletions and reactions: who may, and the answer to everybody else; each unary call is one authorised append."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, message_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.log_owners import LogRouter, Owners
from libs.rpc.caller import Caller
from libs.rpc.errors import TertuliaError
from libs.runtime.process import running
from services.gateway.appender import Appender
from services.gateway.grants import Grants
from services.gateway.log_client import LogClient
from services.gateway.message_service import MessageMethods
from services.gateway.page_tokens import PageTokens
from services.gateway.stats import Stats, batch_sizes
from tests.unit.gateway.peers import MAX_AMENDMENTS, Peers, no_limits, serving

ROOM = b"room".ljust(16, b"-")
SERVER = Caller("app", "", server=True)

READER = access_pb2.AuthorizeResponse(permissions=channel_pb2.ChannelPermissions(react=True))
OPERATOR = access_pb2.AuthorizeResponse(
    permissions=channel_pb2.ChannelPermissions(send=True, react=True, moderate=True), slow_mode_ms=5_000
)
SLOW = access_pb2.AuthorizeResponse(
    permissions=channel_pb2.ChannelPermissions(send=True, react=True), slow_mode_ms=5_000
)
BLOCKED = access_pb2.AuthorizeResponse(permissions=channel_pb2.ChannelPermissions(), blocked=True)


class Room:
    """People in a channel, each with a unary client."""

    def __init__(self, peers: Peers, methods: MessageMethods) -> None:
        self.peers = peers
        self._methods = methods.table()
        self._ids = 0

    async def say(self, who: str | Caller, text: str = "hello", *, client_id: str = "", **fields: object) -> int:
        message = event_pb2.Message(text=text, **fields)  # type: ignore[arg-type]
        request = message_pb2.SendMessageRequest(
            channel_id="room", client_message_id=client_id or self._client_id(), message=message
        )
        return await self._call(who, "SendMessage", request)

    async def edit(self, who: str | Caller, seq: int, text: str = "better", **fields: object) -> int:
        message = event_pb2.Message(text=text, **fields)  # type: ignore[arg-type]
        request = message_pb2.EditMessageRequest(
            channel_id="room", seq=seq, client_id=self._client_id(), message=message
        )
        return await self._call(who, "EditMessage", request)

    async def delete(self, who: str | Caller, seq: int) -> int:
        request = message_pb2.DeleteMessageRequest(channel_id="room", seq=seq, client_id=self._client_id())
        return await self._call(who, "DeleteMessage", request)

    async def react(self, who: str | Caller, seq: int, key: str = "👍") -> int:
        request = message_pb2.AddReactionRequest(channel_id="room", seq=seq, client_id=self._client_id(), key=key)
        return await self._call(who, "AddReaction", request)

    async def unreact(self, who: str | Caller, seq: int, key: str = "👍") -> int:
        request = message_pb2.RemoveReactionRequest(channel_id="room", seq=seq, client_id=self._client_id(), key=key)
        return await self._call(who, "RemoveReaction", request)

    def written(self, seq: int) -> event_pb2.Event:
        return event_pb2.Event.FromString(self.peers.logs[ROOM][seq - 1].content)

    def change_policy(self) -> None:
        self.peers.versions[ROOM] = self.peers.versions.get(ROOM, 1) + 1

    async def _call(self, who: str | Caller, method: str, request: Message) -> int:
        caller = Caller("app", who, server=False) if isinstance(who, str) else who
        data = await self._methods[f"MessageService/{method}"](caller, request.SerializeToString())
        return message_pb2.SendMessageResponse.FromString(data).seq  # all of them have the same shape

    def _client_id(self) -> str:
        self._ids += 1
        return f"c{self._ids}"


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    peers = Peers()
    async with serving(peers, tmp_path) as channel:
        grants = Grants(access_pb2_grpc.AccessServiceStub(channel), 60, lambda _: 0)
        router = LogRouter(Owners([channel]))
        appender = Appender(router, grants, no_limits(), 5, Stats(), batch_sizes(CollectorRegistry()))
        async with running(appender.run()):
            yield Room(peers, MessageMethods(appender, grants, no_limits(), LogClient(router), PageTokens("secret")))


async def refused(write: object) -> TertuliaError:
    with pytest.raises(TertuliaError) as refusal:
        await write  # type: ignore[misc]
    return refusal.value


async def test_an_author_edits_and_deletes_what_they_said(room: Room) -> None:
    seq = await room.say("alice")
    edit = room.written(await room.edit("alice", seq, "better"))
    assert (edit.message_edited.target_seq, edit.message_edited.message.text) == (seq, "better")
    assert room.written(await room.delete("alice", seq)).message_deleted.target_seq == seq


async def test_an_edit_changes_neither_what_is_answered_nor_when_it_was_said(room: Room) -> None:
    seq = await room.say("alice")
    edited = room.written(await room.edit("alice", seq, "x", reply_to_seq=seq, original_time_ms=5)).message_edited
    assert edited.message == event_pb2.Message(text="x")


async def test_reactions_are_given_and_taken_back(room: Room) -> None:
    seq = await room.say("alice")
    given = room.written(await room.react("bob", seq))
    taken = room.written(await room.unreact("bob", seq))
    assert given.reaction_changed == event_pb2.ReactionChanged(target_seq=seq, key="👍")
    assert taken.reaction_changed == event_pb2.ReactionChanged(target_seq=seq, key="👍", removed=True)


async def test_what_others_said_is_edited_by_nobody_and_deleted_by_operators(room: Room) -> None:
    room.peers.answers["olga"] = OPERATOR
    seq = await room.say("alice")
    for write in (room.edit("bob", seq), room.delete("bob", seq), room.edit("olga", seq)):
        assert (await refused(write)).reason == error_pb2.ERROR_REASON_NOT_ALLOWED
    assert await room.delete("olga", seq) == seq + 1


async def test_a_server_key_edits_and_deletes_for_the_application_and_for_members(room: Room) -> None:
    seq = await room.say("alice")
    await room.edit(SERVER, seq)
    await room.edit(Caller("app", "bob", server=True), seq)
    assert await room.delete(SERVER, seq)
    assert [item.sender_user_id for item in room.peers.logs[ROOM]] == ["alice", "", "bob", ""]


async def test_a_server_key_writes_where_the_member_may_not_and_waits_for_nobody(room: Room) -> None:
    room.peers.answers |= {"rita": READER, "sven": SLOW}
    for user_id in ("rita", "sven", "sven"):
        assert await room.say(Caller("app", user_id, server=True))


async def test_a_reaction_is_somebodys(room: Room) -> None:
    seq = await room.say("alice")
    assert (await refused(room.react(SERVER, seq))).reason == error_pb2.ERROR_REASON_FIELD_INVALID


async def test_who_only_reads_may_react_and_nothing_else(room: Room) -> None:
    room.peers.answers["rita"] = READER
    seq = await room.say("alice")
    for write in (room.say("rita"), room.edit("rita", seq), room.delete("rita", seq)):
        assert (await refused(write)).reason == error_pb2.ERROR_REASON_NOT_ALLOWED
    assert await room.react("rita", seq) == seq + 1


async def test_who_is_blocked_is_told_so(room: Room) -> None:
    seq = await room.say("alice")
    room.peers.answers["bob"] = BLOCKED
    for write in (room.say("bob"), room.edit("bob", seq), room.delete("bob", seq), room.react("bob", seq)):
        error = await refused(write)
        assert (error.code.name, error.reason) == ("PERMISSION_DENIED", error_pb2.ERROR_REASON_BLOCKED)


async def test_a_missing_target_is_told_of_as_what_it_is(room: Room) -> None:
    assert (await refused(room.say("alice", reply_to_seq=9))).reason == error_pb2.ERROR_REASON_REPLY_TARGET_INVALID
    for write in (room.edit("alice", 9), room.delete("alice", 9), room.react("alice", 9), room.unreact("alice", 9)):
        error = await refused(write)
        assert (error.code.name, error.reason) == ("NOT_FOUND", error_pb2.ERROR_REASON_MESSAGE_NOT_FOUND)


async def test_a_deleted_message_is_not_edited_or_reacted_to(room: Room) -> None:
    seq = await room.say("alice")
    await room.delete("alice", seq)
    for write in (room.edit("alice", seq), room.react("bob", seq)):
        error = await refused(write)
        assert (error.code.name, error.reason) == ("FAILED_PRECONDITION", error_pb2.ERROR_REASON_MESSAGE_DELETED)


async def test_a_message_with_as_much_as_it_may_have_is_at_its_limit(room: Room) -> None:
    seq = await room.say("alice")
    for _ in range(MAX_AMENDMENTS):
        await room.edit("alice", seq)
        await room.react("bob", seq)
    for write in (room.edit("alice", seq), room.react("bob", seq)):
        error = await refused(write)
        assert (error.code.name, error.reason) == ("RESOURCE_EXHAUSTED", error_pb2.ERROR_REASON_LIMIT_REACHED)


async def test_in_slow_mode_members_are_told_how_long_to_wait_and_operators_do_not_wait(room: Room) -> None:
    room.peers.answers |= {"sven": SLOW, "olga": OPERATOR}
    assert await room.say("sven")
    error = await refused(room.say("sven"))
    assert (error.code.name, error.reason) == ("RESOURCE_EXHAUSTED", error_pb2.ERROR_REASON_SLOW_MODE)
    assert error.retry_after_ms == 5_000
    assert await room.react("sven", 1), "only messages wait"
    for _ in range(2):
        assert await room.say("olga")


async def test_what_a_newer_policy_forbids_is_refused_although_it_was_allowed_before(room: Room) -> None:
    room.peers.answers["olga"] = OPERATOR
    seq = await room.say("alice")
    await room.say("olga")
    room.peers.answers["olga"] = SLOW  # demoted, which this gateway has not heard of
    room.change_policy()
    assert (await refused(room.delete("olga", seq))).reason == error_pb2.ERROR_REASON_NOT_ALLOWED
    assert (await refused(room.say("olga"))).reason == error_pb2.ERROR_REASON_SLOW_MODE
    room.peers.answers["olga"] = READER
    room.change_policy()
    assert (await refused(room.say("olga"))).reason == error_pb2.ERROR_REASON_NOT_ALLOWED


async def test_a_retry_of_what_was_said_while_it_was_allowed_is_told_so(room: Room) -> None:
    seq = await room.say("alice", client_id="mine")
    room.peers.answers["alice"] = READER
    room.change_policy()
    assert await room.say("alice", client_id="mine") == seq
    assert (await refused(room.say("alice", client_id="another"))).reason == error_pb2.ERROR_REASON_NOT_ALLOWED


async def test_nobody_is_refused_for_what_a_policy_not_heard_of_allows(room: Room) -> None:
    room.peers.answers["rita"] = READER
    assert (await refused(room.say("rita"))).reason == error_pb2.ERROR_REASON_NOT_ALLOWED
    del room.peers.answers["rita"]
    room.change_policy()
    assert await room.say("rita")


async def test_what_a_newer_policy_allows_is_done(room: Room) -> None:
    room.peers.answers["pia"] = access_pb2.AuthorizeResponse(permissions=channel_pb2.ChannelPermissions(send=True))
    seq = await room.say("alice")
    await room.say("pia")
    room.peers.answers["pia"] = OPERATOR
    room.change_policy()
    assert await room.delete("pia", seq)
