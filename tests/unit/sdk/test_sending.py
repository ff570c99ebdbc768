"""Sends: once, in order, joined, until the caller's deadline."""

import asyncio

import grpc
import pytest
import tertulia
from tertulia.chat.v1 import error_pb2, session_pb2

from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway
from tests.unit.sdk.fake_log import LoseAnswer, Refusal
from tests.unit.sdk.reading import messages_until

UNAVAILABLE = Refusal(grpc.StatusCode.UNAVAILABLE, error_pb2.ERROR_REASON_UNAVAILABLE)


async def test_a_send_returns_its_place_and_time(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        sent = await client.send("team", "hello", mentions=["bob"], custom_type="t", custom_data="{}")
    event = gateway.logs["team"].events[0]
    assert (sent.seq, sent.time_ms, sent.client_message_id) == (event.seq, event.time_ms, event.client_id)
    assert (event.message.text, event.sender_user_id) == ("hello", "alice")
    assert list(event.message.mentioned_user_ids) == ["bob"]


async def test_sends_at_the_same_time_go_out_in_one_frame_and_in_order(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        sent = await asyncio.gather(*(client.send("team", str(n)) for n in range(100)))
    assert gateway.texts("team") == [str(n) for n in range(100)]
    assert [each.seq for each in sent] == list(range(1, 101))
    assert len([frame for frame in gateway.frames if frame.sends]) == 1


async def test_more_than_a_frame_holds_goes_out_in_several_in_order(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        await asyncio.gather(*(client.send("team", str(n)) for n in range(1_500)))
    assert gateway.texts("team") == [str(n) for n in range(1_500)]
    assert max(len(frame.sends) for frame in gateway.frames) == 256


async def test_large_messages_do_not_make_a_frame_too_large(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        await asyncio.gather(*(client.send("team", "x" * 10_000) for _ in range(40)))
    assert len(gateway.texts("team")) == 40
    assert max(frame.ByteSize() for frame in gateway.frames) < 160 * 1024


async def test_a_send_whose_answer_was_lost_is_repeated_under_the_same_id_and_takes_one_seq(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    answers = iter([LoseAnswer(), LoseAnswer()])

    def lose(_send: session_pb2.Send) -> None:
        if (loss := next(answers, None)) is not None:
            raise loss

    gateway.on_send = lose
    async with as_user() as client:
        sent = await client.send("team", "once")
    assert gateway.texts("team") == ["once"]
    assert sent.seq == 1
    tries = gateway.sends()
    assert len(tries) == 3
    assert len({(send.client_message_id, send.after_seq, send.HasField("after_seq")) for send in tries}) == 1


async def test_every_try_carries_the_seq_that_was_known_at_the_first(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    for n in range(5):
        gateway.say("team", str(n))
    refusals = iter([UNAVAILABLE])

    def grow_and_refuse(_send: session_pb2.Send) -> None:
        gateway.say("team", "meanwhile")
        if (refusal := next(refusals, None)) is not None:
            raise refusal

    gateway.on_send = grow_and_refuse
    async with as_user() as client:
        await client.send("team", "mine")
    assert [send.after_seq for send in gateway.sends()] == [5, 5]


async def test_messages_keep_their_order_when_some_are_refused_for_a_moment(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    tries: dict[str, int] = {}

    def refuse(send: session_pb2.Send) -> None:
        """The first ten are appended, the rest of the batch is refused: what a full queue looks like."""
        number = int(send.message.text)
        tries[send.message.text] = tries.get(send.message.text, 0) + 1
        if number >= 10 and tries[send.message.text] == 1:
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, error_pb2.ERROR_REASON_OVERLOADED)

    gateway.on_send = refuse
    async with as_user() as client:
        sends = [asyncio.create_task(client.send("team", str(n))) for n in range(50)]
        await sends[0]
        sends += [asyncio.create_task(client.send("team", str(n))) for n in range(50, 60)]
        await asyncio.gather(*sends)
    assert gateway.texts("team") == [str(n) for n in range(60)]


async def test_one_channel_that_is_refused_holds_up_no_other(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("stuck", "alice")
    gateway.channel("free", "alice")

    def refuse(send: session_pb2.Send) -> None:
        if send.channel_id == "stuck":
            raise UNAVAILABLE

    gateway.on_send = refuse
    async with as_user() as client:
        stuck = asyncio.create_task(client.send("stuck", "?", timeout=1))
        for n in range(20):
            await client.send("free", str(n), timeout=5)
        with pytest.raises(tertulia.Unavailable):
            await stuck
    assert len(gateway.texts("free")) == 20


async def test_a_refusal_for_good_is_raised_with_its_reason_and_stops_nothing_else(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")

    def refuse(send: session_pb2.Send) -> None:
        if send.message.text == "bad":
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_FIELD_INVALID)

    gateway.on_send = refuse
    async with as_user() as client:
        answers = await asyncio.gather(
            *(client.send("team", text) for text in ("a", "bad", "b")), return_exceptions=True
        )
    assert isinstance(answers[1], tertulia.InvalidArgument)
    assert answers[1].reason == "FIELD_INVALID"
    assert gateway.texts("team") == ["a", "b"]


async def test_the_search_for_an_earlier_send_goes_on_from_where_the_server_came(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    refusals = iter(
        [Refusal(grpc.StatusCode.OUT_OF_RANGE, error_pb2.ERROR_REASON_DEDUP_SCAN_LIMIT, scanned_to_seq="10003")]
    )

    def refuse(_send: session_pb2.Send) -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal

    gateway.on_send = refuse
    async with as_user() as client:
        await client.send("team", "late", client_message_id="again", after_seq=3)
    assert [send.after_seq for send in gateway.sends()] == [3, 10003]


async def test_a_deadline_without_an_answer_says_that_the_outcome_is_unknown_and_how_to_repeat(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "before")
    gateway.mangle = lambda frame: [] if frame.acks else [frame]
    async with as_user() as client:
        with pytest.raises(tertulia.OutcomeUnknown) as raised:
            await client.send("team", "hm", timeout=0.2)
        gateway.mangle = lambda frame: [frame]
        unknown = raised.value
        sent = await client.send("team", "hm", client_message_id=unknown.client_message_id, after_seq=unknown.after_seq)
    assert unknown.after_seq == 1
    assert sent.seq == 2
    assert gateway.texts("team") == ["before", "hm"]


async def test_a_send_repeated_by_hand_carries_the_seq_of_its_first_try_whatever_was_said_since(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.mangle = lambda frame: [] if frame.acks else [frame]
    async with as_user() as client:
        with pytest.raises(tertulia.OutcomeUnknown) as raised:
            await client.send("team", "hm", timeout=0.2)
        gateway.mangle = lambda frame: [frame]
        gateway.say("team", "meanwhile")
        await messages_until(client, "meanwhile")
        unknown = raised.value
        await client.send("team", "hm", client_message_id=unknown.client_message_id, after_seq=unknown.after_seq)
    assert [send.after_seq for send in gateway.sends()] == [0, 0], "a search that began later would miss the first try"


async def test_a_send_while_no_server_is_there_says_that_nothing_was_sent(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        gateway.on_token = _refuse_unavailable
        gateway.cut()
        await _until_disconnected(client)
        with pytest.raises(tertulia.Unreachable):
            await client.send("team", "hm", timeout=0.2)
    assert gateway.texts("team") == []


async def test_a_cancelled_send_that_was_not_written_is_never_sent(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        task = asyncio.create_task(client.send("team", "never"))
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.wait([task])
        await client.send("team", "after")
    assert gateway.texts("team") == ["after"]


async def test_what_waits_when_the_client_is_closed_ends_with_client_closed(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    gateway.mangle = lambda frame: [] if frame.acks or frame.replies else [frame]
    async with as_user() as client:
        waiting = [
            asyncio.create_task(client.send("team", "hm")),
            asyncio.create_task(client.users.ensure(["bob"])),
        ]
        await asyncio.sleep(0)
    for task in waiting:
        with pytest.raises(tertulia.ClientClosed):
            await task
    with pytest.raises(tertulia.ClientClosed):
        await client.send("team", "too late")


def _refuse_unavailable(_token: str) -> None:
    raise UNAVAILABLE


async def _until_disconnected(client: tertulia.Client) -> None:
    async with asyncio.timeout(10):
        async for event in client.events():
            if isinstance(event, tertulia.ConnectionChanged) and event.state is tertulia.ConnectionState.CONNECTING:
                return
