"""What a session reads: it follows its user's memberships, and when it ends nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tertulia.chat.v1 import error_pb2, event_pb2, session_pb2

from libs.rpc.errors import Unavailable
from services.gateway.log_client import LogName
from tests.support.ports import until
from tests.unit.gateway.world import Stage, Wire, channel_log, inbox_log, staged

TOO_SLOW = Unavailable("too slow", error_pb2.ERROR_REASON_UNAVAILABLE)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


async def caught_up(wire: Wire) -> None:
    await until(lambda: "caught_up" in wire.kinds(), "the session has caught up")


async def test_a_channel_joined_while_connected_is_told_with_all_that_follows_the_joining(stage: Stage) -> None:
    stage.world.channel("later", "bob")
    stage.world.say("later", "before")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        stage.world.join("later", "alice")
        stage.world.say("later", "welcome")
        await until(lambda: wire.texts("later") == ["welcome"], "what was said since")
        assert wire.channels() == ["later"]


async def test_a_removal_and_a_rejoining_while_the_joining_is_under_way_end_in_the_channel(stage: Stage) -> None:
    stage.world.channel("later", "bob")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        stage.world.beginning.clear()
        stage.world.begin.clear()
        stage.world.join("later", "alice")
        await stage.world.beginning.wait()  # the channel was described; its log is being subscribed to
        stage.world.remove("later", "alice")
        stage.world.say("later", "behind her back")
        stage.world.join("later", "alice")
        stage.world.begin.set()
        await until(lambda: len(wire.channels()) == 2, "she is told that she is in it, twice")
        stage.world.say("later", "welcome back")
        await until(lambda: wire.texts("later") == ["welcome back"], "what was said since, and nothing of before")


async def test_a_join_that_is_under_way_when_the_session_ends_leaves_nothing_behind(stage: Stage) -> None:
    stage.world.channel("later", "bob")
    wire = Wire()
    async with stage.session("alice", wire) as (session, life):
        await caught_up(wire)
        stage.world.describe.clear()
        stage.world.join("later", "alice")
        await stage.world.describing.wait()
        wire.open.clear()  # the goodbye cannot be written yet, so the session is not quite over
        session.end(session_pb2.GOODBYE_CODE_DRAIN, "moving")
        await until(lambda: stage.holders(inbox_log("alice")) == 0, "it has left its logs")
        stage.world.describe.set()
        await stage.hub.started([feed := stage.hub.acquire(_other(stage))])
        stage.hub.release(feed)  # a round trip later: the answer about the channel has come
        wire.open.set()
        await life
        assert stage.holders(channel_log("later")) == 0
    assert wire.kinds()[-1] == "goodbye"


@pytest.mark.parametrize("ticks", range(8))
async def test_a_session_that_is_being_cut_keeps_no_news_from_others(stage: Stage, ticks: int) -> None:
    stage.world.channel("later", "bob")
    dying, living = Wire(), Wire()
    async with stage.session("alice", dying) as (session, life), stage.session("alice", living):
        await caught_up(dying)
        await caught_up(living)
        session.cut(TOO_SLOW)
        for _ in range(ticks):
            await asyncio.sleep(0)
        stage.world.join("later", "alice")
        await until(lambda: living.channels() == ["later"], "the other session hears of it")
        with pytest.raises(Unavailable):
            await life


async def test_being_cut_twice_is_being_cut(stage: Stage) -> None:
    wire = Wire()
    async with stage.session("alice", wire) as (session, life):
        await caught_up(wire)
        for _ in range(4):
            session.cut(TOO_SLOW)
            await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await life
        assert stage.holders(inbox_log("alice")) == 0


async def test_a_reader_that_fell_behind_gets_the_rest_from_the_log_once(stage: Stage) -> None:
    stage.world.channel("busy", "alice", "bob")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        wire.open.clear()
        for number in range(60):
            stage.world.say("busy", f"{number} " + "x" * 40_000)
        assert stage.stats.overflows == 1
        wire.open.set()
        await until(lambda: len(wire.texts("busy")) == 60, "all of it")
        assert [text.split()[0] for text in wire.texts("busy")] == [str(number) for number in range(60)]


async def test_a_deleted_channel_ends_with_its_deletion(stage: Stage) -> None:
    stage.world.channel("plaza", "alice", "bob")
    stage.world.channel("other", "alice")
    wire = Wire()
    async with stage.session("alice", wire) as (session, _):
        await caught_up(wire)
        stage.world.say("plaza", "last words")
        stage.world.delete("plaza")
        stage.world.say("other", "after")
        await until(lambda: wire.texts("other") == ["after"], "the news of another channel")
        assert (wire.last("plaza"), stage.holders(channel_log("plaza"))) == (3, 0)
        assert session is not None


async def test_who_was_removed_and_added_again_before_hearing_of_it_is_told_what_was_not_sent(stage: Stage) -> None:
    """Memberships that began and ended meanwhile are in the gap (I3)."""
    log = stage.world.channel("room", "alice", "bob")
    wire = Wire()
    async with stage.session("alice", wire):
        await caught_up(wire)
        stage.world.lost.add("room")
        for turn in range(3):
            stage.world.remove("room", "alice")
            stage.world.say("room", f"away {turn}")
            stage.world.join("room", "alice")
            stage.world.say("room", f"back {turn}")
        stage.world.lost.clear()
        stage.world.say("room", "now")
        await until(lambda: "now" in wire.texts("room"), "the news")
        removal, begin = 2, log.head - 2  # the joining, what was said then, and now
        assert wire.gaps("room") == [(removal + 1, begin - 1)]
        assert wire.texts("room") == ["back 2", "now"]


async def test_who_was_removed_and_added_again_while_away_reads_on_behind_a_gap(stage: Stage) -> None:
    log = stage.world.channel("room", "alice", "bob")
    stage.world.say("room", "before")
    stage.world.remove("room", "alice")
    removal = log.head
    stage.world.say("room", "away")
    stage.world.join("room", "alice")
    stage.world.say("room", "back")
    wire = Wire()
    async with stage.session("alice", wire, held={"room": 1}):
        await caught_up(wire)
        assert wire.texts("room") == ["before"]
        assert wire.gaps("room") == [(removal + 1, log.head)], "it is told before the session has caught up"
        stage.world.say("room", "now")
        await until(lambda: wire.texts("room") == ["before", "now"], "the news")


async def test_a_channel_that_the_client_knew_and_is_added_to_again_begins_with_a_gap(stage: Stage) -> None:
    log = stage.world.channel("room", "alice", "bob")
    stage.world.remove("room", "alice")
    wire = Wire()
    async with stage.session("alice", wire, held={"room": 2}):
        await caught_up(wire)
        stage.world.say("room", "away")
        stage.world.join("room", "alice")
        await until(lambda: wire.last("room") == log.head, "the joining")
        assert wire.gaps("room") == [(3, 3)]


async def test_a_change_that_concerns_the_user_leaves_the_grant_stale_and_delivery_as_it_was(stage: Stage) -> None:
    log = stage.world.channel("room", "alice", "bob")
    reader = stage.grant("alice", "room")
    log.change(added=["carol"])
    reader.heard(event_pb2.Event.FromString(log.events[-1]))
    assert (reader.stale, reader.policy_version, reader.member_count) == (False, 2, 3)
    log.change(promoted=["alice"])
    reader.heard(event_pb2.Event.FromString(log.events[-1]))
    assert (reader.stale, reader.policy_version, reader.member_version) == (True, 2, 3)
    log.change(added=["dave"])
    reader.heard(event_pb2.Event.FromString(log.events[-1]))
    assert (reader.stale, reader.policy_version, reader.member_version) == (True, 2, 4), (
        "it stays so until it is renewed"
    )


async def test_an_inbox_is_taken_no_faster_than_it_is_read_and_delays_nobody_else(stage: Stage) -> None:
    for number in range(100):
        stage.world.channel(f"room-{number:02}", "alice")
    stage.world.notice_bytes = 50_000
    slow, quick = Wire(), Wire()
    slow.open.clear()
    async with stage.session("alice", slow) as (session, _):
        await until(lambda: session.outbox.waiting_bytes > 500_000, "the queue is half full")
        async with stage.session("alice", quick):
            await caught_up(quick)
        assert session.outbox.waiting_bytes < 700_000, "of the 5 MB that another session has read meanwhile"
        slow.open.set()
        await caught_up(slow)
        assert slow.kinds() == ["welcome", *["channel"] * 100, "caught_up"]


def _other(stage: Stage) -> LogName:
    stage.world.channel("other", "bob")
    return LogName("app", channel_log("other"))
