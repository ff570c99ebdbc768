"""Live delivery begins and ends with membership (I7)."""

import pytest
from tertulia.chat.v1 import channel_pb2, error_pb2

from tests.integration.gateway.cast import Cast

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-membership")]


async def test_the_last_that_a_removed_member_gets_is_the_removal(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        for number in range(10):
            await alice.send_all(room.channel_id, [f"before {number}"] * 20)
        await cast.remove(room, "bob")
        for number in range(10):
            await alice.send_all(room.channel_id, [f"after {number}"] * 20)
        await alice.until(lambda: len(alice.texts(room.log_id)) == 400, "all messages")
        [removal] = [
            event.seq
            for event in alice.events(room.log_id)
            if cast.id("bob") in event.membership_change.removed_user_ids
        ]
        await bob.until(lambda: bob.position(room.log_id) >= removal, "the removal")
        # a round trip of bob's own: whatever was queued for him before it has come
        assert await bob.call(
            "ChannelService/GetChannel",
            channel_pb2.GetChannelRequest(channel_id=room.channel_id),
            channel_pb2.GetChannelResponse(),
        )
        assert bob.position(room.log_id) == removal
        assert bob.events(room.log_id)[-1].seq == removal


async def test_a_removed_member_can_no_longer_send(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("bob") as bob:
        await cast.remove(room, "bob")
        failure = await bob.failure(await bob.send(room.channel_id, "too late"))
        assert failure.reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND


async def test_who_is_added_while_online_hears_at_once(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    await cast.group("other", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        await cast.add(room, "bob")
        await alice.acked(await alice.send(room.channel_id, "welcome, bob"))
        await bob.until(lambda: "welcome, bob" in bob.texts(room.log_id), "the message")
        assert bob.channels()[room.channel_id].channel.log_id == room.log_id
        assert await bob.acked(await bob.send(room.channel_id, "hello")) == alice.acks[1].seq + 1


async def test_who_is_removed_and_added_again_goes_on(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        for turn in range(5):
            await cast.remove(room, "bob")
            await cast.add(room, "bob")
            await alice.acked(await alice.send(room.channel_id, f"turn {turn}"))
            await bob.until(lambda t=turn: f"turn {t}" in bob.texts(room.log_id), f"turn {turn}")  # type: ignore[misc]


async def test_a_send_under_an_old_policy_is_authorised_anew_and_keeps_its_place(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    async with cast.online("alice") as alice:
        for turn in range(5):
            # adding somebody makes a new version; the sends race with the news of it
            requests = await alice.send_all(room.channel_id, [f"{turn}.{n}" for n in range(20)])
            await cast.add(room, f"guest{turn}")
            requests += await alice.send_all(room.channel_id, [f"{turn}.{n}" for n in range(20, 40)])
            seqs = [await alice.acked(request) for request in requests]
            assert seqs == sorted(seqs), "sends of one session to one channel keep their order"


async def test_the_order_of_an_import_survives_changes_of_membership(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.server() as server:
        requests = []
        for turn in range(8):
            for person in ("alice", "bob", "alice"):
                requests += await server.send_all(room.channel_id, [person] * 10, as_user_id=cast.id(person))
            await cast.add(room, f"guest{turn}")
            requests += await server.send_all(room.channel_id, ["hi"], as_user_id=cast.id(f"guest{turn}"))
        seqs = [await server.acked(request) for request in requests]
        assert seqs == sorted(seqs)


async def test_a_channel_made_on_the_session_can_be_written_to_at_once(cast: Cast) -> None:
    await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice:
        response = channel_pb2.CreateChannelResponse()
        request = channel_pb2.CreateChannelRequest(
            kind=channel_pb2.CHANNEL_KIND_DIRECT, member_user_ids=[cast.id("bob")]
        )
        assert await alice.call("ChannelService/CreateChannel", request, response) is None
        assert await alice.acked(await alice.send(response.channel.channel_id, "psst")) > 0


async def test_outsiders_are_answered_as_if_there_were_no_channel(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    await cast.group("other", "eve")
    async with cast.online("eve") as eve:
        there = await eve.failure(await eve.send(room.channel_id, "let me in"))
        nowhere = await eve.failure(await eve.send("no-such-channel", "let me in"))
        assert there.reason == nowhere.reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND
        assert there.message.replace(room.channel_id, "X") == nowhere.message.replace("no-such-channel", "X")
