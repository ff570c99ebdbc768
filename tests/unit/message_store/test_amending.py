"""Edits, deletions, reactions, replies, mentions and slow mode: what the owner lets into a log, and what comes of it."""

import asyncio
from pathlib import Path

import pytest
from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import MentionQuery, Millis, Seq
from libs.rpc.errors import FieldsInvalid, Unavailable
from services.message_store.rules import MAX_EDITS, MAX_REACTION_KEYS, MAX_REACTIONS
from services.message_store.sequencer import REMEMBERED_EVENTS
from tests.unit.message_store.owner import (
    LOG,
    NOW,
    OTHER,
    Outcome,
    Owner,
    deletion,
    edit,
    full_disk,
    item,
    made,
    owner_of,
    reaction,
    slice_of,
)

MISSING = log_pb2.APPEND_REFUSAL_TARGET_MISSING
DELETED = log_pb2.APPEND_REFUSAL_TARGET_DELETED
OF_ANOTHER = log_pb2.APPEND_REFUSAL_TARGET_OF_ANOTHER
FULL = log_pb2.APPEND_REFUSAL_TARGET_FULL
SLOW_MODE = log_pb2.APPEND_REFUSAL_SLOW_MODE
REUSED = log_pb2.APPEND_REFUSAL_CLIENT_ID_REUSED


@pytest.fixture(params=["in one request", "in a request each", "after a restart each"])
def together(request: pytest.FixtureRequest) -> str:
    """How items come: what was decided on one must not depend on whether it is pending, in memory or in the store."""
    return str(request.param)


async def play(
    path: Path, together: str, *items: log_pb2.AppendItem, remembered_events: int = REMEMBERED_EVENTS
) -> tuple[list[Outcome], list[event_pb2.Event]]:
    """The outcomes, and the log in the end."""
    if together == "after a restart each":
        outcomes: list[Outcome] = []
        for each in items:
            async with owner_of(path, remembered_events=remembered_events) as owner:
                outcomes += await owner.append(each)
                events = await owner.events()
        return outcomes, events
    async with owner_of(path, remembered_events=remembered_events) as owner:
        if together == "in one request":
            return await owner.append(*items), await owner.events()
        return [outcome for each in items for outcome in await owner.append(each)], await owner.events()


async def test_an_edit_keeps_what_the_message_answers_and_when_it_was_said(tmp_path: Path, together: str) -> None:
    imported = item("b", target_seq=1)
    content = event_pb2.Event.FromString(imported.content)
    content.message.original_time_ms = 77
    imported.content = content.SerializeToString()

    outcomes, events = await play(tmp_path, together, item("a"), imported, edit("e", 2, "better"))

    assert outcomes == [Outcome(1), Outcome(2), Outcome(3)]
    edited = events[2].message_edited.message
    assert (edited.text, edited.reply_to_seq, edited.original_time_ms) == ("better", 1, 77)
    assert events[1].state.edited == edited
    assert (events[1].message_count, events[2].message_count) == (2, 2)


async def test_a_deletion_says_what_was_answered_and_leaves_no_content(tmp_path: Path, together: str) -> None:
    outcomes, events = await play(
        tmp_path, together, item("a"), item("b", target_seq=1), edit("e", 2, "better"), deletion("d", 2)
    )

    assert outcomes == [Outcome(1), Outcome(2), Outcome(3), Outcome(4)]
    assert events[3].message_deleted == event_pb2.MessageDeleted(target_seq=2, reply_to_seq=1)
    assert events[1].message == event_pb2.Message(reply_to_seq=1)
    assert events[1].state.deleted
    assert not events[2].message_edited.HasField("message")
    assert (events[0].state.reply_count, events[0].state.last_reply_seq) == (0, 2)


async def test_nothing_comes_after_a_deletion(tmp_path: Path, together: str) -> None:
    outcomes, events = await play(
        tmp_path,
        together,
        item("a"),
        deletion("d", 1),
        edit("e", 1, "back"),
        reaction("r", 1, "+"),
        item("reply", target_seq=1),
        deletion("d2", 1),
    )

    assert outcomes == [Outcome(1), Outcome(2), *[Outcome(0, DELETED)] * 3, Outcome(2)]
    assert len(events) == 2


async def test_the_first_deletion_answers_though_replies_have_changed_the_state_since(
    tmp_path: Path, together: str
) -> None:
    outcomes, events = await play(
        tmp_path,
        together,
        item("a"),
        item("b", target_seq=1),
        deletion("d", 1),
        deletion("d of b", 2),
        deletion("d2", 1),
    )

    assert outcomes[-1] == Outcome(3)
    assert (events[0].state.as_of_seq, events[0].state.reply_count) == (4, 0)


async def test_only_its_sender_may_change_a_message_where_the_gateway_says_so(tmp_path: Path, together: str) -> None:
    outcomes, _ = await play(
        tmp_path,
        together,
        item("a"),
        edit("e", 1, "mine", author="mallory", sender="mallory"),
        deletion("d", 1, author="mallory", sender="mallory"),
        deletion("d2", 1),
        deletion("d3", 1, author="mallory", sender="mallory"),
    )

    assert outcomes[1:] == [Outcome(0, OF_ANOTHER), Outcome(0, OF_ANOTHER), Outcome(2), Outcome(0, OF_ANOTHER)]


async def test_what_is_no_message_cannot_be_changed(tmp_path: Path, together: str) -> None:
    outcomes, _ = await play(
        tmp_path, together, item("c", control=True), edit("e", 1, "x"), reaction("r", 9, "+"), deletion("d", 2)
    )

    assert outcomes == [Outcome(1), *[Outcome(0, MISSING)] * 3]


async def test_a_reaction_counts_once_and_is_taken_back_once(tmp_path: Path, together: str) -> None:
    outcomes, events = await play(
        tmp_path,
        together,
        item("a"),
        reaction("r1", 1, "+", removed=True),
        reaction("r2", 1, "+"),
        reaction("r3", 1, "+"),
        reaction("r4", 1, "+", sender="carol"),
        reaction("r5", 1, "+", removed=True),
        reaction("r6", 1, "+", removed=True),
    )

    assert [outcome.seq for outcome in outcomes] == [1, 1, 2, 2, 3, 4, 4]
    assert [(each.key, list(each.user_ids)) for each in events[0].state.reactions] == [("+", ["carol"])]
    assert len(events) == 4


async def test_a_retry_of_a_reaction_is_recognised_before_its_effect(tmp_path: Path, together: str) -> None:
    outcomes, _ = await play(
        tmp_path,
        together,
        item("a"),
        reaction("r1", 1, "+"),
        reaction("r2", 1, "+", removed=True),
        reaction("r1", 1, "+"),
    )

    assert [outcome.seq for outcome in outcomes] == [1, 2, 3, 2]


async def test_a_retry_of_a_message_that_was_deleted_gets_its_seq(tmp_path: Path, together: str) -> None:
    outcomes, _ = await play(
        tmp_path, together, item("a"), edit("e", 1, "x"), deletion("d", 1), item("a"), edit("e", 1, "x")
    )

    assert outcomes[3:] == [Outcome(1), Outcome(2)]


@pytest.mark.parametrize("remembered_events", [2, 1_000], ids=["looked up", "in memory"])
async def test_the_id_of_what_was_deleted_serves_for_the_same_kind_and_target_only(
    tmp_path: Path, together: str, remembered_events: int
) -> None:
    def retries() -> list[log_pb2.AppendItem]:
        return [
            deletion("X", 2),
            edit("X", 2, "x"),
            reaction("X", 2, "+", sender="alice"),
            item("X", control=True),
            item("X", target_seq=2),
            item("E"),
            edit("E", 2, "x"),
            deletion("E", 1),
            deletion("E", 2),
            item("R"),
            item("R", target_seq=2),
            item("X", text="words that nobody can compare any more"),
            edit("E", 1, "nor these"),
            item("R", target_seq=5),
        ]

    first = [
        item("X", text="one"),
        item("Y", text="SECRET"),
        edit("E", 1, "x"),
        deletion("D", 1),
        item("five"),
        item("R", target_seq=5),
        deletion("DR", 6),
        *(item(f"later {n}") for n in range(6)),
    ]
    asked = retries()
    for each in asked:
        each.after_seq = 0

    outcomes, events = await play(tmp_path, together, *first, *asked, remembered_events=remembered_events)

    assert outcomes[len(first) :] == [*[Outcome(0, REUSED)] * 11, Outcome(1), Outcome(3), Outcome(6)]
    assert len(events) == len(first)
    assert events[1].message.text == "SECRET"


async def test_a_retry_that_only_a_failed_deletion_would_let_pass_has_no_outcome(owner: Owner) -> None:
    await owner.append(item("a", text="words"), reaction("its target is in memory", 1, "+"))
    other_words = item("a", text="other words")
    owner.store.before_append = full_disk
    async with owner.flush_held(item("first", log=OTHER)) as first:
        deleting, retry = owner.appending(deletion("d", 1)), owner.appending(other_words)
        await asyncio.sleep(0)
    for failing in (first, deleting, retry):
        with pytest.raises(Unavailable):
            await failing
    owner.store.before_append = lambda _: None

    assert await owner.append(other_words) == [Outcome(0, REUSED)]
    assert await owner.append(deletion("d", 1), other_words) == [Outcome(3), Outcome(1)]


async def test_limits_of_a_message(owner: Owner) -> None:
    await owner.append(item("a"), item("b"))
    await owner.append(*(edit(f"e{n}", 1, str(n)) for n in range(MAX_EDITS)))
    assert await owner.append(edit("one more", 1, "x")) == [Outcome(0, FULL)]
    await owner.append(*(reaction(f"k{n}", 1, f"key {n}") for n in range(MAX_REACTION_KEYS)))
    assert await owner.append(reaction("new", 1, "new key")) == [Outcome(0, FULL)]
    room = MAX_REACTIONS - MAX_REACTION_KEYS
    await owner.append(*(reaction(f"r{n}", 1, "key 0", sender=f"user {n}") for n in range(room)))
    assert await owner.append(reaction("last", 1, "key 1", sender="late")) == [Outcome(0, FULL)]
    known, taken_back, again = await owner.append(
        reaction("known", 1, "key 0"),
        reaction("back", 1, "key 1", removed=True),
        reaction("again", 1, "key 0", sender="x"),
    )
    assert [known.refusal, taken_back.refusal, again.refusal] == [0, 0, 0]
    assert (await owner.append(edit("of b", 2, "x")))[0].refusal == 0


async def test_replies_are_counted_also_when_they_come_at_once(owner: Owner) -> None:
    await owner.append(item("a"), *(item(f"r{n}", target_seq=1) for n in range(5)))
    await asyncio.gather(*(owner.append(item(f"s{n}", target_seq=1)) for n in range(5)))

    assert (await owner.events())[0].state.reply_count == 10


async def test_many_messages_at_once_are_more_than_memory_keeps(owner: Owner) -> None:
    count = 300
    await owner.append(*(item(f"m{n}") for n in range(count)))
    for round_number in range(2):
        await owner.append(*(reaction(f"r{round_number}-{n}", n + 1, str(round_number)) for n in range(count)))

    events = await owner.events()

    assert all(len(event.state.reactions) == 2 for event in events[:count])


async def test_requests_at_once_that_change_more_messages_than_memory_keeps_lose_nothing(owner: Owner) -> None:
    count = 150
    await owner.append(*(item(f"m{n}") for n in range(count)))

    await asyncio.gather(*(owner.append(reaction(f"{key}-{n}", n + 1, key)) for key in "abc" for n in range(count)))

    assert all(len(event.state.reactions) == 3 for event in (await owner.events())[:count])


async def test_messages_of_which_nothing_came_are_let_go_of_as_well(owner: Owner) -> None:
    count = 300
    await owner.append(*(item(f"m{n}") for n in range(count)))
    await owner.append(*(reaction(f"r{n}", n + 1, "never given", removed=True) for n in range(count)))
    await owner.append(item("another flush"))

    targets = (await owner.states.get(LOG)).targets

    assert 0 < sum(targets.get(Seq(seq)) is not None for seq in range(1, count + 1)) < count / 2
    assert targets.size_bytes > 0, "it counts in the weight of the log"


async def test_what_failed_leaves_no_trace_in_the_state(owner: Owner) -> None:
    await owner.append(item("a"))
    owner.store.before_append = full_disk
    with pytest.raises(Unavailable):
        await owner.append(deletion("d", 1))
    owner.store.before_append = lambda _: None

    assert await owner.append(reaction("r", 1, "+")) == [Outcome(2)]
    assert not (await owner.events())[0].state.deleted


async def test_an_answer_that_rests_on_what_is_pending_waits_for_it(owner: Owner) -> None:
    await owner.append(item("a"))
    owner.store.before_append = full_disk
    with pytest.raises(Unavailable):
        await owner.append(deletion("d", 1), edit("e", 1, "x"))
    with pytest.raises(Unavailable):
        await owner.append(reaction("r", 1, "+"), reaction("same", 1, "+"))


async def test_live_events_come_without_state_and_a_doorbell_ends_at_a_deletion(owner: Owner) -> None:
    await owner.append(item("a"), reaction("r", 1, "+"), deletion("d", 1), item("b"))

    bells = owner.bus.doorbells()

    assert [(bell.from_seq, bell.to_seq, bell.control) for bell in bells] == [(1, 3, True), (4, 4, False)]
    assert not any(event.HasField("state") for bell in bells for event in slice_of(bell).events)


async def test_no_doorbell_has_what_was_deleted_in_the_flush_that_wrote_it(owner: Owner) -> None:
    await owner.append(item("a", text="the words"), edit("e", 1, "better words"), deletion("d", 1))

    bells = owner.bus.doorbells()

    events = [event for bell in bells for event in slice_of(bell).events]
    assert [(event.seq, event.WhichOneof("content")) for event in events] == [
        (1, "message"),
        (2, "message_edited"),
        (3, "message_deleted"),
    ]
    assert not any(b"words" in bell.frame for bell in bells)


async def test_the_head_shows_the_last_message_as_it_is(owner: Owner) -> None:
    async def last_message() -> event_pb2.Event:
        (head,) = await owner.reader.heads([LOG], with_last_message=True)
        return event_pb2.Event.FromString(head.last_message)

    await owner.append(item("a", text="words"))
    await owner.append(reaction("r", 1, "+"))
    assert [each.key for each in (await last_message()).state.reactions] == ["+"]
    await owner.append(edit("e", 1, "other words"))
    assert (await last_message()).state.edited.text == "other words"
    await owner.append(deletion("d", 1))
    assert "words" not in str(await last_message())
    assert await last_message() == (await owner.events())[0]


async def test_mentions_are_counted_for_messages_as_they_are(tmp_path: Path, together: str) -> None:
    await play(
        tmp_path,
        together,
        item("a", mentions=["carol"]),
        item("b", mentions=["carol", "dave"], text="x" * 26),
        item("c", text="\x1a"),
        edit("e", 2, "nobody"),
    )
    async with owner_of(tmp_path) as owner:
        queries = [MentionQuery(LOG, user, Seq(0), frozenset()) for user in ("carol", "dave")]
        assert await owner.store.mention_counts(queries) == [1, 0]


async def test_slow_mode_refuses_until_the_time_is_over(tmp_path: Path, together: str) -> None:
    slow = [item(client_id, slow_mode_ms=5_000) for client_id in ("a", "b")]
    outcomes, _ = await play(tmp_path, together, slow[0], slow[1], slow[0], item("x", sender="bob", slow_mode_ms=5_000))

    assert outcomes == [Outcome(1), Outcome(0, SLOW_MODE), Outcome(1), Outcome(2)]
    async with owner_of(tmp_path) as owner:
        owner.now_ms = Millis(NOW + 4_000)
        (refused,) = asked = made(slow[1])
        await owner.committer.append(asked)
        assert (refused.refusal, refused.retry_after_ms) == (SLOW_MODE, 1_000)
        owner.now_ms = Millis(NOW + 5_000)
        assert await owner.append(slow[1]) == [Outcome(3)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target_seq": 0}, "target_seq"),
        ({"target_seq": 2}, "content"),
        ({"content": b"\xff"}, "content"),
        ({"content": event_pb2.Event(message=event_pb2.Message(text="hi")).SerializeToString()}, "content"),
        ({"slow_mode_ms": -1}, "slow_mode_ms"),
    ],
)
def test_a_malformed_item_about_a_message_is_named(change: dict[str, int | bytes], field: str) -> None:
    malformed = edit("e", 1, "x")
    for name, value in change.items():
        setattr(malformed, name, value)
    with pytest.raises(FieldsInvalid) as invalid:
        made(malformed)
    assert invalid.value.field_violations[0].field == f"items[0].{field}"


def test_a_message_with_mentions_that_is_no_event_is_refused() -> None:
    malformed = item("a")
    malformed.content = b"\x1a\xff"
    with pytest.raises(FieldsInvalid):
        made(malformed)
