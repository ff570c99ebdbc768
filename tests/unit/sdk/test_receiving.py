"""Events: every one, once, in order, whatever the connection does (I2, I3), within a bound (I9)."""

import asyncio

import grpc
import pytest
import tertulia
from tertulia.chat.v1 import error_pb2, event_pb2, session_pb2

from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway
from tests.unit.sdk.fake_log import Refusal
from tests.unit.sdk.reading import messages_until, next_event
from tests.unit.sdk.unruly import unruly


async def test_messages_arrive_with_all_that_belongs_to_them(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user() as client:
        said = event_pb2.Message(
            text="hi",
            reply_to_seq=7,
            mentioned_user_ids=["alice"],
            custom_type="t",
            custom_data="{}",
            original_time_ms=1_104_537_600_000,
        )
        gateway.logs["team"].append(event_pb2.Event(sender_user_id="bob", client_id="c", message=said))
        gateway.tell(gateway.logs["team"], 0)
        message = (await next_event(client, tertulia.MessageReceived)).message
    assert message.time.isoformat() == "2005-01-01T00:00:00+00:00"
    assert message == tertulia.Message(
        channel_id="team",
        seq=1,
        time_ms=1_104_537_600_000,
        author="bob",
        text="hi",
        reply_to=7,
        mentions=("alice",),
        custom_type="t",
        custom_data="{}",
        message_count=1,
        client_message_id="c",
        imported=True,
    )


async def test_what_was_said_before_connecting_is_not_an_event(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "before")
    async with as_user() as client:
        gateway.say("team", "after")
        assert [m.text for m in await messages_until(client, "after")] == ["after"]


async def test_what_was_said_while_the_connection_was_broken_arrives(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user() as client:
        gateway.say("team", "1")
        await messages_until(client, "1")
        gateway.cut()
        gateway.say("team", "2")
        gateway.say("team", "3")
        assert [m.seq for m in await messages_until(client, "3")] == [2, 3]


async def test_a_large_gap_is_fetched_in_pages_and_arrives_in_order(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.gap_above = 10
    async with as_user() as client:
        gateway.cut()
        for n in range(950):
            gateway.say("team", str(n))
        reading = asyncio.create_task(messages_until(client, "end"))
        gateway.say("team", "end")
        assert [m.seq for m in await reading] == list(range(1, 952))


@pytest.mark.parametrize("seed", range(15))
async def test_nothing_is_lost_doubled_or_out_of_order_on_an_unruly_connection(
    gateway: FakeGateway, as_user: Connect, seed: int
) -> None:
    """Slices doubled, cut, late and missing, gap notices, broken connections, a small buffer."""
    channels = ["a", "b", "c"]
    for channel_id in channels:
        gateway.channel(channel_id, "alice", "bob")
    gateway.gap_above = 20
    gateway.mangle = unruly(seed)
    seen: dict[str, list[int]] = {channel_id: [] for channel_id in channels}

    async def talk() -> None:
        for n in range(240):
            gateway.say(channels[n % 3], str(n))
            if n % 80 == 40:
                gateway.cut()
            if n % 7 == 0:
                await asyncio.sleep(0)  # lets the others run between bursts; nothing depends on how far
        gateway.mangle = lambda frame: [frame]
        for channel_id in channels:
            gateway.say(channel_id, "end")

    async with as_user(event_buffer=30) as client, asyncio.timeout(60):
        talking = asyncio.create_task(talk())
        ended = 0
        async for event in client.events():
            if isinstance(event, tertulia.MessageReceived):
                seen[event.channel_id].append(event.seq)
                ended += event.message.text == "end"
            if ended == len(channels):
                break
        await talking
    for channel_id, seqs in seen.items():
        assert seqs == list(range(1, gateway.logs[channel_id].head + 1)), f"channel {channel_id}"


async def test_a_consumer_that_is_slow_gets_everything_from_a_bounded_buffer(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user(event_buffer=20) as client:
        for n in range(500):
            gateway.say("team", str(n))
        await client.channels.get("team")  # the answer comes behind the slices: all of them were read
        assert client._buffer.room == 0 or client._buffer.room < 20
        assert len(client._buffer._queue) <= 20
        gateway.say("team", "end")
        assert [m.seq for m in await messages_until(client, "end")] == list(range(1, 502))


async def test_a_consumer_that_awaits_its_own_sends_does_not_wait_for_ever(
    gateway: FakeGateway, as_user: Connect
) -> None:
    """An echo bot with a buffer of one: were the stream not read while the buffer is full, no answer would arrive."""
    gateway.channel("team", "alice", "bob")
    async with as_user(event_buffer=1) as client, asyncio.timeout(20):
        for n in range(20):
            gateway.say("team", str(n))
        echoed = 0
        async for event in client.events():
            if isinstance(event, tertulia.MessageReceived) and event.message.author == "bob":
                await client.send("team", f"echo {event.message.text}")
                echoed += 1
                if echoed == 20:
                    break
    assert [text for text in gateway.texts("team") if text.startswith("echo")] == [f"echo {n}" for n in range(20)]


async def test_events_of_kinds_from_the_future_are_passed_over(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user() as client:
        gateway.logs["team"].append(event_pb2.Event())
        gateway.tell(gateway.logs["team"], 0)
        gateway.say("team", "known")
        assert [m.seq for m in await messages_until(client, "known")] == [2]


async def test_a_channel_joined_while_connected_brings_its_first_messages(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("club", "bob")
    gateway.say("club", "long ago")
    async with as_user() as client:
        gateway.join("club", "alice")
        gateway.say("club", "welcome")
        assert (await next_event(client, tertulia.ChannelJoined)).channel_id == "club"
        assert [m.text for m in await messages_until(client, "welcome")] == ["welcome"]
        assert client.joined["club"].unread == 2, "nothing is read yet, not even what was said before joining"


async def test_a_channel_joined_while_away_brings_what_was_said_since(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("club", "bob")
    gateway.say("club", "long ago")
    async with as_user() as client:
        gateway.cut()
        gateway.join("club", "alice")
        gateway.say("club", "welcome")
        assert (await next_event(client, tertulia.ChannelJoined)).channel_id == "club"
        assert [m.text for m in await messages_until(client, "welcome")] == ["welcome"]


async def test_a_channel_left_is_told_and_forgotten_and_may_be_joined_again(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("club", "alice", "bob")
    async with as_user() as client:
        gateway.leave("club", "alice")
        assert (await next_event(client, tertulia.ChannelLeft)).channel_id == "club"
        assert "club" not in client.joined
        gateway.say("club", "unheard")
        gateway.join("club", "alice")
        await next_event(client, tertulia.ChannelJoined)
        gateway.say("club", "again")
        assert "again" in [m.text for m in await messages_until(client, "again")]
        assert "club" in client.joined


async def test_a_channel_left_while_away_is_told(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("club", "alice", "bob")
    async with as_user() as client:
        gateway.logs["club"].members.discard("alice")  # not even the inbox says so
        gateway.cut()
        assert (await next_event(client, tertulia.ChannelLeft)).channel_id == "club"
        assert dict(client.joined) == {}


async def test_unread_counts_follow_messages_and_reads(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    for n in range(3):
        gateway.say("team", str(n))
    gateway.logs["team"].reads["alice"] = 1
    async with as_user() as client:
        assert client.joined["team"].unread == 2
        gateway.say("team", "3")
        gateway.say("team", "4")
        await messages_until(client, "4")
        assert client.joined["team"].unread == 4
        client.mark_read("team", 4)
        assert client.joined["team"].unread == 1
        client.mark_read("team")
        assert client.joined["team"].unread == 0
        client.mark_read("team", 2)
        assert client.joined["team"].read_seq == 5
        read = await next_event(client, tertulia.ReadChanged)
        assert (read.channel_id, read.user_id, read.seq) == ("team", "alice", 5)


async def test_a_read_position_that_was_lost_with_the_connection_is_told_again(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "1")
    async with as_user() as client:
        gateway.cut()
        client._outbox._reads.clear()
        client.mark_read("team")
        client._outbox._reads.clear()  # as if it had been written to a connection that was already broken
        await next_event(client, tertulia.ReadChanged)
    assert gateway.logs["team"].reads["alice"] == 1


async def test_closing_lets_a_last_read_position_go_out(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "1")
    async with as_user() as client:
        client.mark_read("team")
    assert gateway.logs["team"].reads["alice"] == 1


async def test_typing_and_presence_of_others_are_told(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user() as alice, as_user("bob") as bob:
        alice.watch(["bob", "carol"])
        assert (await next_event(alice, tertulia.PresenceChanged)).online
        assert not (await next_event(alice, tertulia.PresenceChanged)).online
        bob.typing("team")
        typing = await next_event(alice, tertulia.TypingChanged)
        assert (typing.user_id, typing.active) == ("bob", True)
        await bob.send("team", "done")
        assert not (await next_event(alice, tertulia.TypingChanged)).active


async def test_who_was_watched_is_watched_on_the_next_session_too(gateway: FakeGateway, as_user: Connect) -> None:
    async with as_user() as client:
        client.watch(["bob", "carol"])
        client.unwatch(["carol"])
        await next_event(client, tertulia.PresenceChanged)
        gateway.cut()
        assert (await next_event(client, tertulia.PresenceChanged)).user_id == "bob"
        assert [connection.watched for connection in gateway.connections] == [{"bob"}]


async def test_more_people_than_a_session_may_follow_are_refused(as_user: Connect) -> None:
    async with as_user() as client:
        with pytest.raises(tertulia.ResourceExhausted) as raised:
            client.watch(str(n) for n in range(1_001))
    assert raised.value.reason == "LIMIT_REACHED"


async def test_a_gap_whose_fetch_is_refused_for_a_moment_is_fetched_later(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.gap_above = 0
    refusals = iter([Refusal(grpc.StatusCode.UNAVAILABLE, error_pb2.ERROR_REASON_UNAVAILABLE)] * 2)

    def refuse(_call: session_pb2.Call) -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal

    gateway.on_call = refuse
    async with as_user() as client:
        gateway.cut()
        gateway.say("team", "1")
        gateway.say("team", "2")
        assert [m.seq for m in await messages_until(client, "2")] == [1, 2]


async def test_a_channel_that_the_hello_has_no_room_for_is_caught_up_with_too(
    gateway: FakeGateway, as_user: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tertulia.channels._HELLO_POSITIONS", 2)  # the inbox and one channel
    gateway.channel("quiet", "alice", "bob")
    gateway.channel("busy", "alice", "bob")
    async with as_user() as client:
        gateway.say("quiet", "1")
        gateway.say("busy", "1")
        gateway.say("busy", "2")
        await messages_until(client, "2")
        gateway.cut()
        gateway.say("quiet", "said while away, the last thing that is ever said here")
        await messages_until(client, "said while away, the last thing that is ever said here")


async def test_an_answer_that_makes_no_sense_ends_the_client_with_an_error_and_not_in_silence(
    gateway: FakeGateway, as_user: Connect
) -> None:
    def garble(frame: session_pb2.ServerFrame) -> list[session_pb2.ServerFrame]:
        for reply in frame.replies:
            reply.response = b"\xff"
        return [frame]

    gateway.channel("team", "alice", "bob")
    gateway.gap_above = 0
    gateway.mangle = garble
    async with as_user() as client:
        gateway.cut()
        gateway.say("team", "to be fetched")
        with pytest.raises(tertulia.TertuliaError, match="the client failed"):
            await messages_until(client, "to be fetched")


async def test_a_second_consumer_of_events_is_refused(as_user: Connect) -> None:
    async with as_user() as client:
        await next_event(client, tertulia.ConnectionChanged)
        first = asyncio.create_task(next_event(client, tertulia.MessageReceived))
        second = asyncio.create_task(next_event(client, tertulia.MessageReceived))
        with pytest.raises(RuntimeError, match="one consumer"):
            await second
        first.cancel()
        await asyncio.wait([first])


async def test_iterating_ends_when_the_client_is_closed(as_user: Connect) -> None:
    async with as_user() as client:
        pass
    last = [event async for event in client.events()][-1]
    assert last == tertulia.ConnectionChanged(tertulia.ConnectionState.CLOSED, "the client is closed")
