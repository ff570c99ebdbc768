"""What a session reads: it follows its user's memberships, and when it ends nothing of it is left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tertulia.chat.v1 import error_pb2, session_pb2

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


def _other(stage: Stage) -> LogName:
    stage.world.channel("other", "bob")
    return LogName("app", channel_log("other"))
