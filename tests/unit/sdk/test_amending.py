"""Edits, deletions and reactions: done once, told live, and the same live as in history."""

from collections.abc import Awaitable, Callable

import grpc
import pytest
import tertulia
from tertulia.chat.v1 import error_pb2, session_pb2

from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway
from tests.unit.sdk.fake_log import Refusal
from tests.unit.sdk.reading import live_is_fresh, next_event


async def test_an_edit_a_reaction_and_a_deletion_are_told_as_they_happen(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user("alice") as alice, as_user("bob") as bob:
        sent = await alice.send("team", "helo")
        await alice.edit("team", sent.seq, "hello @bob", mentions=["bob"])
        edited = await next_event(bob, tertulia.MessageEdited)
        assert (edited.target, edited.by, edited.text, edited.mentions) == (sent.seq, "alice", "hello @bob", ("bob",))
        await bob.react("team", sent.seq, "👍")
        reaction = await next_event(alice, tertulia.ReactionChanged)
        assert (reaction.target, reaction.by, reaction.key, reaction.removed) == (sent.seq, "bob", "👍", False)
        await bob.unreact("team", sent.seq, "👍")
        assert (await next_event(alice, tertulia.ReactionChanged)).removed
        done = await alice.delete("team", sent.seq)
        deleted = await next_event(bob, tertulia.MessageDeleted)
        assert (deleted.seq, deleted.target, deleted.by) == (done.seq, sent.seq, "alice")


async def test_history_has_a_message_as_it_is_now(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    first = gateway.say("team", "frist", by="alice")
    second = gateway.say("team", "regretted", by="alice", reply_to=first.seq)
    third = gateway.say("team", "an answer", reply_to=first.seq)
    async with as_user() as alice:
        edit = await alice.edit("team", first.seq, "first")
        await alice.react("team", first.seq, "❤")
        await alice.delete("team", second.seq)
        page = {message.seq: message for message in (await alice.messages.latest("team")).messages}
    one, two = page[first.seq], page[second.seq]
    assert (one.text, one.edited, one.edit_time_ms, one.deleted) == ("first", True, edit.time_ms, False)
    assert one.reactions == (tertulia.Reaction("❤", 1, ("alice",)),)
    assert one.reply_count == 1, "the deleted reply does not count"
    assert (two.text, two.deleted, two.deleted_by, two.reply_to) == ("", True, "alice", first.seq)
    assert not page[third.seq].edited


async def test_the_last_message_of_a_channel_is_the_same_live_as_for_a_fresh_client(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    before = gateway.say("team", "said before", by="alice")
    async with as_user() as alice:
        await alice.edit("team", before.seq, "edited live")
        await next_event(alice, tertulia.MessageEdited)
        await live_is_fresh(alice, as_user)
        sent = await alice.send("team", "said live")
        await alice.react("team", sent.seq, "👀")
        await next_event(alice, tertulia.ReactionChanged)
        await live_is_fresh(alice, as_user)
        await alice.delete("team", sent.seq)
        await next_event(alice, tertulia.MessageDeleted)
        await live_is_fresh(alice, as_user)
        last = alice.joined["team"].last_message
        assert last is not None
        assert (last.seq, last.text, last.deleted, last.reactions) == (sent.seq, "", True, ())


async def test_an_edit_whose_answer_was_lost_is_done_once(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    said = gateway.say("team", "one", by="alice")
    lost = False

    def lose(frame: session_pb2.ServerFrame) -> list[session_pb2.ServerFrame]:
        nonlocal lost
        if frame.replies and not lost:
            lost = True
            gateway.cut()
            return []
        return [frame]

    gateway.mangle = lose
    async with as_user() as alice:
        done = await alice.edit("team", said.seq, "two")
    calls = [call for frame in gateway.frames for call in frame.calls]
    assert len(calls) == 2
    assert calls[0].request == calls[1].request, "the same client id and after_seq"
    assert (done.seq, gateway.logs["team"].head) == (2, 2)


async def test_a_search_for_an_earlier_try_that_ended_at_its_limit_goes_on_there(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    said = gateway.say("team", "one", by="alice")
    limit = Refusal(grpc.StatusCode.OUT_OF_RANGE, error_pb2.ERROR_REASON_DEDUP_SCAN_LIMIT, scanned_to_seq="1")
    refusals = iter([limit])

    def refuse(_call: session_pb2.Call) -> None:
        if (refusal := next(refusals, None)) is not None:
            raise refusal

    gateway.on_call = refuse
    async with as_user() as alice:
        assert (await alice.edit("team", said.seq, "two")).seq == 2


async def _edit_anothers(alice: tertulia.Client) -> None:
    await alice.edit("team", 2, "not so")


async def _react_to_a_deleted_one(alice: tertulia.Client) -> None:
    await alice.delete("team", 1)
    await alice.react("team", 1, "👍")


async def _delete_what_is_no_message(alice: tertulia.Client) -> None:
    await alice.delete("team", 99)


@pytest.mark.parametrize(
    ("use", "error", "reason"),
    [
        (_edit_anothers, tertulia.PermissionDenied, "NOT_ALLOWED"),
        (_react_to_a_deleted_one, tertulia.FailedPrecondition, "MESSAGE_DELETED"),
        (_delete_what_is_no_message, tertulia.NotFound, "MESSAGE_NOT_FOUND"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    gateway: FakeGateway,
    as_user: Connect,
    use: Callable[[tertulia.Client], Awaitable[None]],
    error: type[tertulia.Refused],
    reason: str,
) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "mine", by="alice")
    gateway.say("team", "bob's")
    async with as_user() as alice:
        with pytest.raises(error) as raised:
            await use(alice)
    assert raised.value.reason == reason
