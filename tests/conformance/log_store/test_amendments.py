"""Edits, deletions, reactions, replies and mentions: what stands beside the rows, and what is gone for ever."""

from collections.abc import Callable

import pytest
from tertulia.chat.v1 import event_pb2

from libs.log_store import Kind, LogStore, MentionQuery, SendId, Seq
from tests.conformance.log_store.conftest import Contents, OpenStore
from tests.conformance.log_store.rows import FOREIGN, LOG
from tests.conformance.log_store.story import Story, events, last_message

WORDS = "words-to-be-forgotten"


@pytest.fixture
def story() -> Story:
    return Story()


async def mention_count(store: LogStore, user_id: str, after: int = 0, *excepted: str) -> int:
    (count,) = await store.mention_counts([MentionQuery(LOG, user_id, Seq(after), frozenset(excepted))])
    return count


async def test_messages_are_read_with_their_states(store: LogStore, story: Story) -> None:
    first = story.say("hello")
    story.edit(first, "hello all")
    story.react(first, "+")
    story.say("hi", reply_to=first)
    await story.told(store)

    message, edit, reaction, reply = await events(store)

    assert (message.message.text, message.state.edited.text) == ("hello", "hello all")
    assert (list(message.state.edit_seqs), message.state.reply_count, message.state.as_of_seq) == ([2], 1, 4)
    assert [(each.key, each.count, list(each.user_ids)) for each in message.state.reactions] == [("+", 1, ["bob"])]
    assert edit.message_edited.message.text == "hello all"
    assert not any(event.HasField("state") for event in (edit, reaction, reply))
    assert await events(store, backward=True) == [message, edit, reaction, reply]


async def test_the_newest_state_counts(store: LogStore, story: Story) -> None:
    story.say("hello")
    for number in range(5):
        story.react(1, "+", sender=f"user-{number}")
        await story.told(store)

    state = (await events(store))[0].state

    assert (state.reactions[0].count, state.as_of_seq) == (5, 6)


async def test_states_are_there_after_reopening_and_go_on(open_store: OpenStore, story: Story) -> None:
    async with open_store() as store:
        story.say("hello")
        story.react(1, "+")
        await story.told(store)
    async with open_store() as store:
        assert (await events(store))[0].state.reactions[0].count == 1
        story.react(1, "+", sender="carol")
        await story.told(store)
        assert (await events(store))[0].state.reactions[0].count == 2


async def test_entries_are_found_by_their_seqs(store: LogStore, story: Story) -> None:
    story.say("hello")
    story.react(1, "+")
    await story.told(store)

    found, above, reaction, none = await store.entries(LOG, [Seq(1), Seq(3), Seq(2), Seq(0)])

    assert (above, none) == (None, None)
    assert found is not None
    assert reaction is not None
    assert (found.row.seq, reaction.row.target_seq, bool(found.state)) == (1, 1, True)
    assert await store.entries(FOREIGN, [Seq(1)]) == [None]


async def test_a_range_ends_with_the_event_that_reaches_the_bytes_with_its_state(store: LogStore, story: Story) -> None:
    for _ in range(3):
        story.say("hello")
    for target in (1, 2, 3):
        story.edit(target, "x" * 1_000)
    await story.told(store)

    forward = await store.read(LOG, Seq(1), Seq(3), limit=10, max_bytes=1_500)
    backward = await store.read(LOG, Seq(1), Seq(3), limit=10, max_bytes=1_500, backward=True)

    assert [shown.seq for shown in forward] == [1, 2]
    assert [shown.seq for shown in backward] == [2, 3]


async def test_a_deleted_message_and_its_edits_have_no_content_but_their_places(store: LogStore, story: Story) -> None:
    story.say("what?")
    story.say(WORDS, reply_to=1, mentions=["carol"])
    story.edit(2, f"{WORDS} again")
    story.react(2, "+")
    await story.told(store)
    deletion = story.delete(2)
    await story.told(store)

    first, message, edit, _, _ = await events(store)

    assert message.message == event_pb2.Message(reply_to_seq=1)
    assert (message.seq, message.message_count, message.sender_user_id, message.client_id) == (2, 2, "alice", "id-2")
    assert message.state == event_pb2.MessageState(
        as_of_seq=deletion,
        deleted=True,
        deleted_by_user_id="alice",
        delete_time_ms=1_700_000_000_005,
        edit_seqs=[3],
        edit_time_ms=1_700_000_000_003,
    )
    assert edit.message_edited == event_pb2.MessageEdited(target_seq=2)
    assert first.state.reply_count == 0
    entries = await store.entries(LOG, [Seq(2), Seq(3), Seq(4)])
    assert [entry and entry.deletion_seq for entry in entries] == [5, 5, 0]


@pytest.mark.parametrize("flushes", [1, 2, 3])
async def test_deleted_text_is_in_no_byte_of_the_database(
    open_store: OpenStore, contents: Contents, story: Story, flushes: int
) -> None:
    async with open_store() as store:
        story.say(WORDS * 20, mentions=["carol"])
        if flushes == 3:
            await story.told(store)
        story.edit(1, f"{WORDS} {'long ' * 2_000}")
        if flushes > 1:
            await story.told(store)
            assert WORDS.encode() in await contents()
        story.delete(1)
        await story.told(store)
        story.say("afterwards")
        await story.told(store)
        assert WORDS.encode() not in await contents()
    assert WORDS.encode() not in await contents()
    async with open_store() as store:
        assert WORDS not in str(await events(store))


async def test_a_retry_of_what_was_deleted_is_found_without_its_digest(store: LogStore, story: Story) -> None:
    story.say("hello")
    story.delete(1)
    await story.told(store)

    (sent,) = await store.find_sent(LOG, {SendId("alice", "id-1")}, Seq(1), Seq(9))
    recovered = await store.recover(LOG, 10)

    assert (sent.seq, sent.kind, sent.digest, sent.target_seq) == (1, Kind.MESSAGE, b"", 0)
    assert (recovered.sent[1].kind, recovered.sent[1].target_seq) == (Kind.DELETION, 1)
    assert recovered.sent[0] == sent
    assert recovered.sent[1].digest == b"digest-2"


async def test_repeating_an_append_with_what_follows_from_it_changes_nothing(store: LogStore, story: Story) -> None:
    story.say("hello", mentions=["carol"])
    first = story.batch()
    story.edit(1, "hello all", mentions=["dave"])
    story.delete(1)
    second = story.batch()
    await store.append(first)
    await store.append(second)
    before = await events(store)

    for batches in (first, second, first):
        await store.append(batches)

    assert await events(store) == before
    assert before[0].state.deleted
    assert [await mention_count(store, user) for user in ("carol", "dave")] == [0, 0]


def an_edit(story: Story) -> None:
    story.edit(1, "hello all")


def a_deletion(story: Story) -> None:
    story.delete(1)


@pytest.mark.parametrize("amend", [an_edit, a_deletion])
@pytest.mark.parametrize("at_once", [True, False])
async def test_heads_show_the_last_message_as_it_is_now(
    open_store: OpenStore, story: Story, amend: Callable[[Story], None], at_once: bool
) -> None:
    async with open_store() as store:
        story.say("hello")
        if not at_once:
            await story.told(store)
        amend(story)
        await story.told(store)
        first = await last_message(store)
        assert first == (await events(store))[0]
        assert first.state.as_of_seq == 2
        story.react(1, "+") if not first.state.deleted else story.say("next")
        await story.told(store)
        assert await last_message(store) == (await events(store))[0 if not first.state.deleted else -1]
        newest = await last_message(store)
    async with open_store() as store:
        assert await last_message(store) == newest


async def test_mentions_are_counted_after_a_seq_and_except_of_some(store: LogStore, story: Story) -> None:
    for sender in ("alice", "bob", "alice"):
        story.say("you", sender=sender, mentions=["carol", "dave"])
    story.say("nobody")
    await story.told(store)

    assert await mention_count(store, "carol") == 3
    assert await mention_count(store, "carol", 1) == 2
    assert await mention_count(store, "carol", 0, "alice") == 1
    assert await mention_count(store, "carol", 2, "alice", "bob") == 0
    assert await mention_count(store, "erin") == 0
    (foreign,) = await store.mention_counts([MentionQuery(FOREIGN, "carol", Seq(0), frozenset())])
    assert foreign == 0


async def test_edits_and_deletions_change_who_is_mentioned(store: LogStore, story: Story) -> None:
    story.say("you", mentions=["carol", "dave"])
    story.say("you", mentions=["carol"])
    await story.told(store)
    story.edit(1, "no, you", mentions=["dave", "erin"])
    await story.told(store)
    assert [await mention_count(store, user) for user in ("carol", "dave", "erin")] == [1, 1, 1]
    story.edit(1, "all of you", mentions=["carol", "dave"])
    story.delete(2)
    await story.told(store)
    assert [await mention_count(store, user) for user in ("carol", "dave", "erin")] == [1, 1, 0]
    story.delete(1)
    await story.told(store)
    assert [await mention_count(store, user) for user in ("carol", "dave", "erin")] == [0, 0, 0]


async def test_more_than_a_hundred_mentions_are_a_hundred(store: LogStore, story: Story) -> None:
    for _ in range(130):
        story.say("you", mentions=["carol"])
    await story.told(store)

    assert [await mention_count(store, "carol", after) for after in (0, 29, 31, 130)] == [100, 100, 99, 0]


async def test_a_log_of_the_same_id_in_another_application_keeps_its_own_states(store: LogStore, story: Story) -> None:
    foreign = Story(FOREIGN)
    for each in (story, foreign):
        each.say("hello")
        await each.told(store)
    story.delete(1)
    await story.told(store)

    assert (await events(store, FOREIGN))[0].message.text == "hello"
    assert not (await events(store, FOREIGN))[0].HasField("state")
