"""Users on a carrier: what they read comes once, and each has what a stream of their own would have brought."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import pytest
from tertulia.chat.v1 import session_pb2
from tertulia_internal.bus.v1 import signal_pb2

from libs.bus.subjects import log_subject
from tests.support.ports import until
from tests.unit.gateway.carriage import Carriage, carriage
from tests.unit.gateway.world import Stage, Wire, channel_log, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


class Riders:
    """Users with a session each on one carrier."""

    def __init__(self, stage: Stage, carrier: Carriage) -> None:
        self.stage = stage
        self.carrier = carrier
        self._sessions = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sessions.aclose()

    async def join(self, user_id: str) -> Wire:
        """Once they have caught up and been given everything."""
        carried, wire = await self.carrier.seat()
        _, life = await self._sessions.enter_async_context(self.stage.session(user_id, carried))
        await until(lambda: life.done() or "caught_up" in wire.kinds(), "the session has caught up")
        assert not life.done(), life.exception()
        await asyncio.sleep(0)  # what was taken is told
        return wire


async def said(stage: Stage, wires: list[Wire], text: str) -> None:
    """Something is said in the room, and all of them hear it."""
    stage.world.say("room", text)
    await until(lambda: all(text in wire.texts("room") for wire in wires), f"everybody hears {text}")


async def test_what_several_users_read_comes_once(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben", "cay")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        wires = [await riders.join(name) for name in ("ann", "ben", "cay")]
        await said(stage, wires, "hello")  # the first came when there was nobody to share with
        before, audience_frames = carrier.parts("user_frame"), carrier.parts("audience_frame")
        for number in range(5):
            await said(stage, wires, f"{number}")
        assert all(wire.texts("room") == ["hello", *"01234"] for wire in wires)
        assert carrier.parts("audience_frame") == audience_frames + 5
        assert carrier.parts("user_frame") == before
        assert stage.stats.deliveries == 18


async def test_the_last_that_a_removed_user_gets_is_the_removal_and_the_others_go_on(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        ann, ben = [await riders.join(name) for name in ("ann", "ben")]
        await said(stage, [ann, ben], "both")
        stage.world.remove("room", "ben")
        removal = stage.world.logs[channel_log("room")].head
        await said(stage, [ann], "only ann")
        assert ben.last("room") == removal
        assert ben.texts("room") == ["both"]


async def test_who_joins_a_channel_later_reads_it_with_the_others(stage: Stage) -> None:
    stage.world.channel("room", "ann")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        ann, ben = [await riders.join(name) for name in ("ann", "ben")]
        stage.world.join("room", "ben")
        await until(lambda: ben.channels() == ["room"], "ben is told of the channel")
        for text in ("one", "two"):  # the first may come while he is still on his way
            await said(stage, [ann, ben], text)
        before = carrier.parts("user_frame")
        await said(stage, [ann, ben], "three")
        assert carrier.parts("user_frame") == before
        assert ben.texts("room") == ["one", "two", "three"]


async def test_nobody_reads_with_others_while_something_of_theirs_is_not_taken(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        carrier.takes = False
        wires = [await riders.join(name) for name in ("ann", "ben")]
        for handle in (1, 2):
            carrier.take_a_byte(handle)
        await said(stage, wires, "by themselves")
        assert carrier.parts("audience_frame") == 0
        carrier.take_all()
        carrier.takes = True
        await said(stage, wires, "together")
        assert carrier.parts("audience_frame") == 1
        assert all(wire.texts("room") == ["by themselves", "together"] for wire in wires)


async def test_who_is_alone_in_a_channel_makes_no_audience(stage: Stage) -> None:
    stage.world.channel("room", "ann")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        ann = await riders.join("ann")
        await said(stage, [ann], "to myself")
        assert carrier.parts("audience_frame") == 0


async def test_a_slow_user_stands_alone_until_everything_is_taken(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        wires = [await riders.join(name) for name in ("ann", "ben")]
        await said(stage, wires, "0")
        carrier.takes = False
        carrier.slow(2)
        before = carrier.parts("user_frame")
        for text in "12":
            await said(stage, wires, text)
        assert carrier.parts("user_frame") > before
        carrier.take_all()
        carrier.takes = True
        before = carrier.parts("user_frame")
        await said(stage, wires, "3")
        assert carrier.parts("user_frame") == before
        assert all(wire.texts("room") == list("0123") for wire in wires)


async def test_a_user_who_takes_nothing_is_sent_no_more_than_the_window(stage: Stage) -> None:
    stage.world.channel("room", "ann")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        carrier.takes = False
        ann = await riders.join("ann")
        for _ in range(5):
            stage.world.say("room", "x" * 50_000)
            await asyncio.sleep(0)
        await until(lambda: len(ann.texts("room")) >= 2, "the window is full")
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(ann.texts("room")) < 5
        carrier.take_all()
        carrier.takes = True
        await until(lambda: len(ann.texts("room")) == 5, "the rest comes when there is room")


async def test_a_door_that_falls_behind_leaves_nobody_with_a_hole(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben")
    async with carriage(stage.stats, queue_bytes=10_000) as carrier, Riders(stage, carrier) as riders:
        wires = [await riders.join(name) for name in ("ann", "ben")]
        await said(stage, wires, "first")
        carrier.open.clear()
        for number in range(20):
            stage.world.say("room", f"{number}" + "x" * 1_000)
        carrier.open.set()
        await said(stage, wires, "last")
        for wire in wires:
            seqs = sorted(event.seq for piece in wire.heard.slices for event in piece.events)
            assert seqs == list(range(seqs[0], seqs[-1] + 1)), "each once, and no hole"


async def test_nobody_is_told_that_they_are_typing_themselves(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        ann, ben = [await riders.join(name) for name in ("ann", "ben")]
        await said(stage, [ann, ben], "hello")
        typing = session_pb2.TypingChanged(log_id=channel_log("room"), user_id="ann", active=True)
        frame = session_pb2.ServerFrame(notices=[session_pb2.Notice(typing=typing)]).SerializeToString()
        notice = signal_pb2.LogNotice(frame=frame, except_user_id="ann")
        signal = signal_pb2.LogSignal(notice=notice).SerializeToString()
        stage.world.bus.ring(log_subject(channel_log("room")), signal)
        await until(lambda: "typing" in ben.kinds(), "ben is told")
        assert "typing" not in ann.kinds()


async def test_a_session_that_ends_leaves_the_others_where_they_are(stage: Stage) -> None:
    stage.world.channel("room", "ann", "ben")
    async with carriage(stage.stats) as carrier, Riders(stage, carrier) as riders:
        ann = await riders.join("ann")
        async with Riders(stage, carrier) as leaving:
            ben = await leaving.join("ben")
            await said(stage, [ann, ben], "both")
        await said(stage, [ann], "only ann")
        assert ben.texts("room") == ["both"]
        assert stage.holders(channel_log("room")) == 1
    assert stage.holders(channel_log("room")) == 0
