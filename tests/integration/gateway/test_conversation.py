"""People talk through a gateway, with the real services behind it."""

import pytest
from tertulia.chat.v1 import error_pb2

from tests.integration.gateway.cast import Cast

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-conversation")]


async def test_two_people_see_the_same_conversation_in_the_same_order(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        for number in range(20):
            talker = (alice, bob)[number % 2]
            await talker.send(room.channel_id, f"line {number}")
        for person in (alice, bob):
            await person.until(lambda: len(person.texts(room.log_id)) == 20, "all lines")  # noqa: B023 - awaited here
        assert alice.texts(room.log_id) == bob.texts(room.log_id)
        assert [e.seq for e in alice.events(room.log_id)] == [e.seq for e in bob.events(room.log_id)]


async def test_an_acknowledged_message_has_the_seq_that_others_see(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        seq = await alice.acked(await alice.send(room.channel_id, "hello"))
        await bob.until(lambda: bob.position(room.log_id) >= seq, "the message")
        [event] = bob.events(room.log_id)
        assert (event.seq, event.sender_user_id, event.message.text) == (seq, cast.id("alice"), "hello")


async def test_a_session_begins_with_welcome_then_channels_then_caught_up(cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice:
        kinds = [notice.WhichOneof("notice") for notice in alice.notices]
        assert kinds == ["welcome", "channel", "caught_up"]
        assert alice.notices[0].welcome.user_id == cast.id("alice")
        assert alice.notices[0].welcome.inbox_log_id
        assert alice.channels()[room.channel_id].channel.log_id == room.log_id


async def test_a_retry_under_the_same_id_is_acknowledged_with_the_first_seq(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    async with cast.online("alice") as alice:
        first = await alice.acked(await alice.send(room.channel_id, "once", client_id="same"))
        again = await alice.acked(await alice.send(room.channel_id, "once", client_id="same"))
        assert first == again
        failure = await alice.failure(await alice.send(room.channel_id, "other", client_id="same"))
        assert failure.reason == error_pb2.ERROR_REASON_CLIENT_ID_REUSED
