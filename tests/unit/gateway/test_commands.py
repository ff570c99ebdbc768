"""What a session's client asks for beside its sends: in order, bounded, and only where it may."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tertulia.chat.v1 import channel_pb2, session_pb2

from libs.rpc.caller import Caller
from libs.rpc.status import unavailable
from tests.support.ports import until
from tests.unit.gateway.world import MAX_MEMBERS, Stage, Wire, staged

MUTE = channel_pb2.ChannelPermissions()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


async def caught_up(wire: Wire) -> None:
    await until(lambda: "caught_up" in wire.kinds(), "the session has caught up")


def typing(channel_id: str) -> session_pb2.Typing:
    return session_pb2.Typing(channel_id=channel_id, active=True)


def read(channel_id: str, seq: int, request_id: int = 0) -> session_pb2.MarkRead:
    return session_pb2.MarkRead(channel_id=channel_id, read_seq=seq, request_id=request_id)


def delivered(channel_id: str, seq: int) -> session_pb2.MarkDelivered:
    return session_pb2.MarkDelivered(channel_id=channel_id, delivered_seq=seq)


async def test_typing_is_told_only_where_the_user_may_speak(stage: Stage) -> None:
    stage.world.channel("room", "alice", "mute")
    stage.world.permissions["mute"] = MUTE
    alice, mute = Wire(), Wire()
    async with stage.session("alice", alice), stage.session("mute", mute):
        await caught_up(alice)
        await caught_up(mute)
        mute.say(typings=[typing("room")] * 3)
        await answered(stage, mute)
        alice.say(typings=[typing("room")])
        await until(lambda: bool(stage.world.typed), "somebody types")
        assert stage.world.typed == ["alice"]


async def test_who_may_no_longer_speak_is_no_longer_seen_typing(stage: Stage) -> None:
    log = stage.world.channel("room", "alice", "bob")
    wire, other = Wire(), Wire()
    async with stage.session("alice", wire), stage.session("bob", other):
        await caught_up(wire)
        await caught_up(other)
        stage.world.permissions["alice"] = MUTE
        log.change_channel()  # one has blocked the other
        stage.world.ring("room")
        wire.say(typings=[typing("room")])
        await answered(stage, wire)
        other.say(typings=[typing("room")])
        await until(lambda: bool(stage.world.typed), "somebody types")
        assert stage.world.typed == ["bob"]


async def test_of_read_positions_that_a_session_has_waiting_only_the_highest_is_told(stage: Stage) -> None:
    """What another session of the user asks for is not for this one to lose."""
    for channel_id in ("first", "room", "other"):
        stage.world.channel(channel_id, "alice")
    for text in "abcdefg":
        stage.world.say("room", text)
    phone, desk = Wire(), Wire()
    async with stage.session("alice", phone), stage.session("alice", desk):
        await caught_up(phone)
        await caught_up(desk)
        stage.world.advance.clear()
        phone.say(reads=[read("first", 1)])
        await stage.world.advancing.wait()
        phone.say(reads=[read("room", seq, request_id=seq) for seq in (5, 9, 7)])
        await answered(stage, phone)
        desk.say(reads=[read("room", 8, request_id=1), read("other", 1, request_id=2)])
        await answered(stage, desk)
        stage.world.advance.set()
        await until(lambda: len(stage.world.reads) == 2, "both batches")
        assert stage.world.reads == [[("first", 1)], [("room", 9), ("room", 8), ("other", 1)]]
        await until(lambda: [failure.request_id for failure in phone.heard.failures] == [9], "it is above the head")
        await answered(stage, desk)
        assert not desk.heard.failures


async def test_who_has_many_positions_waiting_is_read_on(stage: Stage) -> None:
    """Each is answered for once: a session may have 1,024 commands open, and is not read beyond."""
    stage.world.channel("room", "alice")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        for _ in range(10):
            wire.say(reads=[read("room", 1)] * 256)
        await answered(stage, wire)


async def test_of_delivered_positions_only_the_highest_is_told_and_only_in_small_channels(stage: Stage) -> None:
    stage.world.channel("first", "alice")
    stage.world.channel("room", "alice")
    stage.world.channel("large", "alice", *(f"user {number}" for number in range(MAX_MEMBERS)))
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        stage.world.deliver.clear()
        wire.say(deliveries=[delivered("first", 1)])
        await stage.world.delivering.wait()
        for seq in (5, 9, 7):
            wire.say(deliveries=[delivered("room", seq), delivered("large", seq), delivered("elsewhere", seq)])
        await answered(stage, wire)
        stage.world.deliver.set()
        await until(lambda: len(stage.world.delivered) == 2, "both batches")
        assert stage.world.delivered == [{("first", "alice"): 1}, {("room", "alice"): 9}]


async def test_delivered_positions_are_told_again_when_channel_was_away(stage: Stage) -> None:
    stage.world.channel("room", "alice")
    stage.world.delivery_errors = [unavailable("the directory")]
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        wire.say(deliveries=[delivered("room", 1)])
        await until(lambda: stage.world.delivered == [{("room", "alice"): 1}], "it is told")


async def test_who_follows_somebody_and_stops_in_one_frame_has_stopped(stage: Stage) -> None:
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        wire.say(
            watches=[
                session_pb2.Watch(user_ids=["bob", "carol"]),
                session_pb2.Watch(user_ids=["bob"], stop=True),
                session_pb2.Watch(user_ids=["dave"]),
            ]
        )
        await until(lambda: wire.presences("dave") == [False], "the last of them is carried out")
        for user_id in ("bob", "carol"):
            stage.world.come(user_id)
        await until(lambda: wire.presences("carol") == [False, True], "the change of who is still followed")
        assert wire.presences("bob") == [False]


async def test_to_somebody_who_is_blocked_the_one_who_blocked_them_is_never_online(stage: Stage) -> None:
    stage.world.online.add("bob")
    stage.world.blocks.add(("bob", "alice"))
    alice, carol = Wire(), Wire()
    async with stage.session("alice", alice), stage.session("carol", carol):
        for wire in (alice, carol):
            await caught_up(wire)
            wire.say(watches=[session_pb2.Watch(user_ids=["bob"])])
        await until(lambda: bool(alice.presences("bob") and carol.presences("bob")), "how he is")
        stage.world.come("bob")
        await until(lambda: carol.presences("bob") == [True, True], "the change")
        assert alice.presences("bob") == [False]
        for user_id, online in (("alice", False), ("carol", True)):
            [seen] = await stage.watches.get(Caller("app", user_id, server=False), ["bob"])
            assert (seen.user_id, seen.online) == ("bob", online)
        [seen] = await stage.watches.get(Caller("app", "", server=True), ["bob"])
        assert seen.online, "the application sees everybody"


async def test_a_block_takes_hold_for_those_who_follow_already_and_ends_likewise(stage: Stage) -> None:
    stage.world.online.add("bob")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        wire.say(watches=[session_pb2.Watch(user_ids=["bob"])])
        await until(lambda: wire.presences("bob") == [True], "how he is")
        stage.world.block("bob", "alice")
        await until(lambda: wire.presences("bob") == [True, False], "he is away to her")
        stage.world.unblock("bob", "alice")
        await until(lambda: wire.presences("bob") == [True, False, True], "he is back")


async def test_behind_eight_open_calls_the_ninth_and_what_follows_it_wait(stage: Stage) -> None:
    go = asyncio.Event()
    begun = 0

    async def method(caller: Caller, request: bytes) -> bytes:  # noqa: ARG001
        nonlocal begun
        begun += 1
        await go.wait()
        return b""

    stage.methods["Some/Method"] = method
    stage.world.channel("room", "alice")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        wire.say(calls=[session_pb2.Call(request_id=number, method="Some/Method") for number in range(1, 10)])
        wire.say(typings=[typing("room")])
        await until(lambda: begun == 8, "eight are carried out")
        assert not stage.world.typed
        go.set()
        await until(lambda: len(wire.heard.replies) == 9 and stage.world.typed == ["alice"], "the rest")


async def answered(stage: Stage, wire: Wire) -> None:
    """What was said before has been taken."""

    async def method(caller: Caller, request: bytes) -> bytes:  # noqa: ARG001
        return b""

    stage.methods["Some/Answer"] = method
    before = len(wire.heard.replies)
    wire.say(calls=[session_pb2.Call(request_id=99, method="Some/Answer")])
    await until(lambda: len(wire.heard.replies) > before, "an answer")
