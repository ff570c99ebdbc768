"""What becomes of an item: numbered, recognised, or refused."""

import asyncio
import weakref
from pathlib import Path

import pytest
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.errors import FieldsInvalid
from services.message_store import committer
from services.message_store.searches import MAX_SEARCHES, SEARCH_EVENTS
from services.message_store.sequencer import REMEMBERED_EVENTS
from tests.unit.message_store.owner import LOG, NOW, OTHER, Outcome, Owner, item, made, owner_of

POLICY_STALE = log_pb2.APPEND_REFUSAL_POLICY_STALE
REUSED = log_pb2.APPEND_REFUSAL_CLIENT_ID_REUSED
SCAN_LIMIT = log_pb2.APPEND_REFUSAL_DEDUP_SCAN_LIMIT
TARGET_MISSING = log_pb2.APPEND_REFUSAL_TARGET_MISSING
OVERLOADED = log_pb2.APPEND_REFUSAL_OVERLOADED
ABOVE_HEAD = log_pb2.APPEND_REFUSAL_AFTER_SEQ_ABOVE_HEAD


async def fill(owner: Owner, count: int, prefix: str = "filler") -> None:
    """Put many events behind the ones at hand."""
    for start in range(0, count, 500):
        await owner.append(*(item(f"{prefix}-{start + n}", sender="bob") for n in range(min(500, count - start))))


async def test_items_of_a_request_take_seqs_in_its_order_in_each_log(owner: Owner) -> None:
    outcomes = await owner.append(item("a"), item("b", log=OTHER), item("c"), item("d", log=OTHER))
    assert [outcome.seq for outcome in outcomes] == [1, 1, 2, 2]
    assert [event.client_id for event in await owner.events()] == ["a", "c"]


async def test_an_event_holds_its_content_and_what_the_owner_adds(owner: Owner) -> None:
    await owner.append(item("a"), item("b", control=True, text="carol"), item("c", text="bye", sender="bob"))
    _, control, message = await owner.events()
    assert (message.seq, message.time_ms, message.message_count) == (3, NOW, 2)
    assert (message.sender_user_id, message.client_id, message.message.text) == ("bob", "c", "bye")
    assert (control.message_count, list(control.membership_change.added_user_ids)) == (1, ["carol"])


async def test_a_retry_returns_the_first_seq(owner: Owner) -> None:
    await owner.append(item("a"), item("b"))
    assert await owner.append(item("a"), item("c"), item("b")) == [Outcome(1), Outcome(3), Outcome(2)]
    assert (owner.metric("tertulia_log_appends_total"), owner.metric("tertulia_log_repetitions_total")) == (3, 2)


async def test_a_retry_after_a_restart_returns_the_first_seq(tmp_path: Path) -> None:
    async with owner_of(tmp_path) as owner:
        await owner.append(item("a"), item("b"))
    async with owner_of(tmp_path) as owner:
        assert await owner.append(item("b"), item("c")) == [Outcome(2), Outcome(3)]


async def test_a_repetition_within_one_request_takes_one_seq(owner: Owner) -> None:
    assert await owner.append(item("a"), item("a"), item("b")) == [Outcome(1), Outcome(1), Outcome(2)]


async def test_a_retry_of_a_pending_send_waits_for_it(owner: Owner) -> None:
    async with owner.flush_held(item("a")) as first:
        retry = owner.appending(item("a"), item("b"))
        await asyncio.sleep(0)
        assert not retry.done()
    assert (await first, await retry) == ([Outcome(1)], [Outcome(1), Outcome(2)])


async def test_what_arrives_during_a_flush_is_the_next_flush(owner: Owner) -> None:
    async with owner.flush_held(item("first")) as first:
        later = [owner.appending(item(f"later {n}")) for n in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *later)
    assert owner.store.append_calls == 2


async def test_the_same_client_id_of_another_sender_is_another_send(owner: Owner) -> None:
    assert await owner.append(item("a", sender="alice"), item("a", sender="bob")) == [Outcome(1), Outcome(2)]


@pytest.mark.parametrize("other", [item("a", text="other words"), item("a", target_seq=1), item("a", control=True)])
async def test_the_same_client_id_with_another_body_is_refused(owner: Owner, other: log_pb2.AppendItem) -> None:
    await owner.append(item("x"), item("a"))
    assert await owner.append(other) == [Outcome(0, REUSED)]


async def test_a_late_retry_with_after_seq_is_recognised_beyond_the_tail(owner: Owner) -> None:
    await owner.append(item("x"), item("a", after_seq=1))
    await fill(owner, 3 * REMEMBERED_EVENTS)
    assert await owner.append(item("a", after_seq=1)) == [Outcome(2)]
    assert await owner.append(item("a", after_seq=1, text="other words")) == [Outcome(0, REUSED)]


async def test_without_after_seq_a_thousand_events_are_the_window(owner: Owner) -> None:
    await owner.append(item("a"))
    await fill(owner, REMEMBERED_EVENTS - 1)
    assert await owner.append(item("a")) == [Outcome(1)]


async def test_without_after_seq_the_window_holds_after_a_restart(tmp_path: Path) -> None:
    async with owner_of(tmp_path) as owner:
        await owner.append(item("too old"), item("a"))
        await fill(owner, REMEMBERED_EVENTS - 1)
    async with owner_of(tmp_path) as owner:
        assert await owner.append(item("a"), item("too old")) == [
            Outcome(2),
            Outcome(REMEMBERED_EVENTS + 2),
        ]


async def test_forgetting_old_events_keeps_the_window(tmp_path: Path) -> None:
    async with owner_of(tmp_path, remembered_events=3) as owner:
        for seq in range(1, 30):
            await owner.append(item(str(seq)))
            for earlier in range(max(1, seq - 2), seq + 1):
                assert await owner.append(item(str(earlier))) == [Outcome(earlier)]


async def test_a_first_try_with_an_old_after_seq_is_appended_once_the_search_found_nothing(owner: Owner) -> None:
    await fill(owner, 3 * REMEMBERED_EVENTS)
    assert await owner.append(item("new", after_seq=5)) == [Outcome(3 * REMEMBERED_EVENTS + 1)]


async def test_the_search_says_how_far_it_came_and_goes_on_from_there(owner: Owner) -> None:
    await owner.append(item("x"))
    await fill(owner, SEARCH_EVENTS + 3 * REMEMBERED_EVENTS)
    assert await owner.append(item("lost", after_seq=1)) == [Outcome(SEARCH_EVENTS + 1, SCAN_LIMIT)]
    head = SEARCH_EVENTS + 3 * REMEMBERED_EVENTS + 1
    assert await owner.append(item("lost", after_seq=SEARCH_EVENTS + 1)) == [Outcome(head + 1)]


async def test_sends_that_were_first_tried_at_about_the_same_time_share_one_search(owner: Owner) -> None:
    await owner.append(item("x"), item("old", after_seq=1))
    await fill(owner, 3 * REMEMBERED_EVENTS)
    outcomes = await owner.append(item("old", after_seq=1), *(item(f"{n}", after_seq=n) for n in range(200)))
    assert outcomes == [Outcome(2), *(Outcome(3 * REMEMBERED_EVENTS + 3 + n) for n in range(200))]
    assert owner.store.searches == 1


async def test_a_retry_that_is_remembered_is_not_searched_for(owner: Owner) -> None:
    await fill(owner, 3 * REMEMBERED_EVENTS)
    await owner.append(item("a", after_seq=1))
    searches = owner.store.searches
    assert await owner.append(item("a", after_seq=1)) == [Outcome(3 * REMEMBERED_EVENTS + 1)]
    assert owner.store.searches == searches


async def test_a_request_is_searched_for_in_a_few_places_and_the_rest_is_to_be_sent_again(tmp_path: Path) -> None:
    async with owner_of(tmp_path, remembered_events=2) as owner:
        logs = [LOG._replace(log_id=n.to_bytes(16)) for n in range(MAX_SEARCHES + 2)]
        for log in logs:
            await owner.append(*(item(f"{n}", log=log) for n in range(9)))
        asked = [item("new", log=log, after_seq=0) for log in logs]
        outcomes = await owner.append(*asked)
        assert outcomes == [Outcome(10)] * MAX_SEARCHES + [Outcome(0, OVERLOADED)] * 2
        assert owner.store.searches == MAX_SEARCHES
        assert await owner.append(*asked) == [Outcome(10)] * len(logs)


async def test_after_seq_above_the_head_is_refused(owner: Owner) -> None:
    assert await owner.append(item("a", after_seq=1)) == [Outcome(0, ABOVE_HEAD)]
    assert await owner.append(item("a", after_seq=0)) == [Outcome(1)]


async def test_an_item_older_than_the_newest_control_event_is_refused(owner: Owner) -> None:
    await owner.append(item("v2", control=True, policy_version=2))
    assert await owner.append(
        item("old", policy_version=1), item("same", policy_version=2), item("ahead", policy_version=3)
    ) == [Outcome(0, POLICY_STALE), Outcome(2), Outcome(3)]
    assert await owner.append(item("still 2", policy_version=2)) == [Outcome(4)]
    assert await owner.append(item("old control", control=True, policy_version=1)) == [Outcome(0, POLICY_STALE)]


async def test_a_control_event_holds_for_what_follows_it_in_the_request(owner: Owner) -> None:
    outcomes = await owner.append(
        item("before", policy_version=1), item("v2", control=True, policy_version=2), item("after", policy_version=1)
    )
    assert outcomes == [Outcome(1), Outcome(2), Outcome(0, POLICY_STALE)]


async def test_the_policy_version_is_known_after_a_restart(tmp_path: Path) -> None:
    async with owner_of(tmp_path) as owner:
        await owner.append(item("v2", control=True, policy_version=2), item("m", policy_version=2))
    async with owner_of(tmp_path) as owner:
        assert await owner.append(item("old", policy_version=1)) == [Outcome(0, POLICY_STALE)]


async def test_what_is_not_allowed_any_more_is_not_appended_but_an_earlier_try_of_it_is_found(owner: Owner) -> None:
    await owner.append(item("said"))
    again, anew, old = item("said"), item("new"), item("old", policy_version=1)
    await owner.append(item("v2", control=True, policy_version=2))
    for asked in (again, anew, old):
        asked.earlier_try_only = True
    anew.policy_version = 2
    refusals = [Outcome(0, log_pb2.APPEND_REFUSAL_NO_EARLIER_TRY), Outcome(0, POLICY_STALE)]
    assert await owner.append(again, anew, old) == [Outcome(1), *refusals]
    assert await owner.append(item("next", policy_version=2)) == [Outcome(3)]


async def test_a_retry_is_recognised_before_the_policy_is_looked_at(owner: Owner) -> None:
    await owner.append(item("a", policy_version=1), item("v2", control=True, policy_version=2))
    assert await owner.append(item("a", policy_version=1)) == [Outcome(1)]


async def test_a_target_must_be_a_message_of_the_log(owner: Owner) -> None:
    await owner.append(item("m"), item("c", control=True))
    outcomes = await owner.append(
        item("to message", target_seq=1),
        item("to control", target_seq=2),
        item("to the one before", target_seq=3),
        item("to itself", target_seq=5),
    )
    assert outcomes == [Outcome(3), Outcome(0, TARGET_MISSING), Outcome(4), Outcome(0, TARGET_MISSING)]


async def test_a_target_older_than_what_is_remembered_is_looked_up(owner: Owner) -> None:
    await owner.append(item("m"), item("c", control=True))
    await fill(owner, 3 * REMEMBERED_EVENTS)
    outcomes = await owner.append(item("to message", target_seq=1), item("to control", target_seq=2))
    assert outcomes == [Outcome(3 * REMEMBERED_EVENTS + 3), Outcome(0, TARGET_MISSING)]


async def test_more_than_may_wait_is_refused_and_the_rest_is_served(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "MAX_OPEN_BYTES", 10_000)
    async with owner.flush_held(*(item(f"fits {n}") for n in range(10))) as first:
        assert await owner.append(*(item(f"too much {n}") for n in range(10))) == [Outcome(0, OVERLOADED)] * 10
    assert len(await first) == 10
    assert await owner.append(item("afterwards")) == [Outcome(11)]


async def test_a_caller_that_went_away_before_the_flush_leaves_nothing(owner: Owner) -> None:
    async with owner.flush_held(item("a")) as first:
        gone = owner.appending(item("gone"))
        await asyncio.sleep(0)
        gone.cancel()
    await first
    assert await owner.append(item("b")) == [Outcome(2)]


async def test_logs_beyond_the_memory_are_forgotten_and_recovered(tmp_path: Path) -> None:
    async with owner_of(tmp_path, memory_bytes=10_000) as owner:
        logs = [LOG._replace(log_id=n.to_bytes(16)) for n in range(50)]
        for round_number in (1, 2):
            for log in logs:
                assert await owner.append(item(f"round {round_number}", log=log)) == [Outcome(round_number)]
                assert owner.states.kept_bytes <= 10_000
        assert await owner.append(*(item("round 1", log=log) for log in logs)) == [Outcome(1)] * len(logs)


async def test_a_log_that_somebody_works_with_is_not_recovered_a_second_time(tmp_path: Path) -> None:
    async with owner_of(tmp_path, memory_bytes=1) as owner:
        held = await owner.states.get(LOG)
        await owner.states.get(OTHER)  # which is as much as the memory holds
        assert await owner.states.get(LOG) is held
        forgotten = weakref.ref(held)
        del held
        await owner.states.get(OTHER)
        assert forgotten() is None


async def test_many_who_ask_for_a_log_at_once_get_one_state(owner: Owner) -> None:
    first, *others = await asyncio.gather(*(owner.states.get(LOG) for _ in range(10)))
    assert all(other is first for other in others)


@pytest.mark.parametrize(
    ("malformed", "field"),
    [
        (log_pb2.AppendItem(), "items[0].log.application_id"),
        (item("a", log=LOG._replace(log_id=b"short")), "items[0].log.log_id"),
        (item(""), "items[0].client_id"),
        (item("a", text="x" * 300_000), "items[0].content"),
        (log_pb2.AppendItem(log=item("a").log, client_id="a"), "items[0].kind"),
        (item("a", after_seq=-1), "items[0].after_seq, target_seq, policy_version"),
    ],
)
def test_a_malformed_item_is_named(malformed: log_pb2.AppendItem, field: str) -> None:
    with pytest.raises(FieldsInvalid) as invalid:
        made(malformed)
    assert invalid.value.field_violations[0].field == field
