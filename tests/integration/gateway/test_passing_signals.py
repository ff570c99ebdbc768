"""Typing, read positions and presence."""

import pytest
from tertulia.chat.v1 import error_pb2, session_pb2

from tests.integration.gateway.cast import Cast

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-passing-signals")]


async def test_typing_is_seen_by_others_and_not_by_oneself(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        typing = session_pb2.Typing(channel_id=room.channel_id, active=True)
        await alice.write(session_pb2.ClientFrame(typings=[typing]))
        await bob.until(lambda: bool(bob.of_kind("typing")), "alice types")
        [notice] = bob.of_kind("typing")
        assert notice.typing == session_pb2.TypingChanged(log_id=room.log_id, user_id=cast.id("alice"), active=True)
        await alice.acked(await alice.send(room.channel_id, "done"))
        assert alice.of_kind("typing") == []


async def test_a_read_position_is_told_to_the_others(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        seq = await alice.acked(await alice.send(room.channel_id, "read me"))
        read = session_pb2.MarkRead(channel_id=room.channel_id, read_seq=seq, request_id=9)
        await bob.write(session_pb2.ClientFrame(reads=[read]))
        await alice.until(lambda: bool(alice.of_kind("read")), "bob has read")
        [notice] = alice.of_kind("read")
        assert (notice.read.user_id, notice.read.read_seq) == (cast.id("bob"), seq)
        assert notice.read.read_message_count == 1


async def test_a_position_above_the_head_or_of_no_channel_is_refused(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    async with cast.online("alice") as alice:
        reads = [
            session_pb2.MarkRead(channel_id=room.channel_id, read_seq=1_000, request_id=91),
            session_pb2.MarkRead(channel_id="nowhere", read_seq=1, request_id=92),
        ]
        await alice.write(session_pb2.ClientFrame(reads=reads))
        assert (await alice.failure(91)).reason == error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD
        assert (await alice.failure(92)).reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND


async def test_who_follows_somebody_learns_at_once_and_at_every_change(cast: Cast) -> None:
    async with cast.online("bob") as bob:
        watch = session_pb2.Watch(user_ids=[cast.id("alice"), cast.id("bob")], request_id=5)
        await bob.write(session_pb2.ClientFrame(watches=[watch]))

        def seen(name: str) -> list[bool]:
            return [n.presence.online for n in bob.of_kind("presence") if n.presence.user_id == cast.id(name)]

        await bob.until(lambda: bool(seen("alice") and seen("bob")), "how they are now")
        assert seen("alice") == [False]
        async with cast.online("alice"):
            await bob.until(lambda: seen("alice")[-1], "alice came")
        await bob.until(lambda: not seen("alice")[-1], "alice left")


async def test_following_too_many_is_refused_and_changes_nothing(cast: Cast) -> None:
    async with cast.online("bob") as bob:
        first = session_pb2.Watch(user_ids=[f"{cast.id('u')}-{n}" for n in range(999)], request_id=1)
        await bob.write(session_pb2.ClientFrame(watches=[first]))
        await bob.until(lambda: len(bob.of_kind("presence")) == 999, "the first ones")
        too_many = session_pb2.Watch(user_ids=["x", "y"], request_id=2)
        await bob.write(session_pb2.ClientFrame(watches=[too_many]))
        assert (await bob.failure(2)).reason == error_pb2.ERROR_REASON_LIMIT_REACHED
        await bob.write(session_pb2.ClientFrame(watches=[session_pb2.Watch(user_ids=["x"], request_id=3)]))
        await bob.until(lambda: len(bob.of_kind("presence")) == 1_000, "one more is allowed")
