"""Clients that come back, and clients that read too slowly, miss nothing in silence (I3)."""

import pytest
from tertulia.chat.v1 import message_pb2

from tests.integration.gateway.cast import Cast
from tests.integration.gateway.processes import Around

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-resume")]

MAX_DELTA = 50  # as the gateway of these tests is set


async def test_who_comes_back_with_a_position_gets_exactly_what_was_missed(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice:
        async with cast.online("bob") as bob:
            await alice.acked(await alice.send(room.channel_id, "heard"))
            await bob.until(lambda: bob.texts(room.log_id) == ["heard"], "the first message")
            position = bob.position(room.log_id)
        for number in range(5):
            await alice.acked(await alice.send(room.channel_id, f"missed {number}"))
        async with cast.online("bob", {room.log_id: position}) as bob:
            assert bob.texts(room.log_id) == [f"missed {number}" for number in range(5)]
            assert [event.seq for event in bob.events(room.log_id)] == list(range(position + 1, position + 6))


async def test_who_comes_back_without_a_position_gets_only_what_is_new(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice:
        await alice.acked(await alice.send(room.channel_id, "old"))
        async with cast.online("bob") as bob:
            assert bob.channels()[room.channel_id].last_message.message.text == "old"
            await alice.acked(await alice.send(room.channel_id, "new"))
            await bob.until(lambda: bool(bob.texts(room.log_id)), "the new message")
            assert bob.texts(room.log_id) == ["new"]


async def test_who_missed_too_much_is_told_what_to_fetch(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice:
        requests = await alice.send_all(room.channel_id, [str(n) for n in range(MAX_DELTA + 10)])
        head = max([await alice.acked(request) for request in requests])
        async with cast.online("bob", {room.log_id: 1}) as bob:
            [gap] = [notice.gap for notice in bob.of_kind("gap") if notice.gap.log_id == room.log_id]
            assert (gap.from_seq, gap.to_seq) == (2, head)
            assert bob.texts(room.log_id) == []
            response = message_pb2.ListEventsResponse()
            request = message_pb2.ListEventsRequest(channel_id=room.channel_id, after_seq=1, page_size=1_000)
            assert await bob.call("MessageService/ListEvents", request, response) is None
            assert (response.slice.from_seq, response.slice.to_seq) == (2, head)
            await alice.acked(await alice.send(room.channel_id, "live again"))
            await bob.until(lambda: bob.texts(room.log_id) == ["live again"], "the live message")


async def test_a_position_beyond_the_head_is_taken_as_the_head(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob", {room.log_id: 2**53 - 1}) as bob:
        await alice.acked(await alice.send(room.channel_id, "hello"))
        await bob.until(lambda: bob.texts(room.log_id) == ["hello"], "the message")


async def test_a_reader_that_stops_is_bounded_and_then_catches_up_or_is_told_the_gap(
    cast: Cast, around: Around
) -> None:
    overflows = await around.figure("overflows_total")
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        bob.stop_reading()
        last = 0
        for _ in range(12):  # 2.4 MB: beyond what the stream and the queue of 64 KiB hold
            requests = await alice.send_all(room.channel_id, ["x" * 5_000] * 40)
            last = max([await alice.acked(request) for request in requests])
        assert await around.figure("overflows_total") > overflows, "bob's queue was full"
        bob.read_on()
        await bob.until(lambda: bob.position(room.log_id) == last, "everything up to the head", 30)
        held = {event.seq for event in bob.events(room.log_id)}
        for notice in bob.of_kind("gap"):
            held |= set(range(notice.gap.from_seq, notice.gap.to_seq + 1))
        assert held >= set(range(2, last + 1)), "every seq was delivered or named in a gap"


async def test_an_inbox_position_brings_only_newer_entries(cast: Cast) -> None:
    await cast.group("first", "alice", "bob")
    async with cast.online("bob") as bob:
        inbox = bob.notices[0].welcome.inbox_log_id
        second = await cast.group("second", "alice", "bob")
        await bob.until(lambda: second.channel_id in bob.channels(), "the second channel")
        position = bob.position(inbox)
    async with cast.online("bob", {inbox: position}) as bob:
        assert bob.events(inbox) == []
        assert len(bob.channels()) == 2
    async with cast.online("bob", {inbox: position - 1}) as bob:
        assert [event.channel_joined.channel_id for event in bob.events(inbox)] == [second.channel_id]
