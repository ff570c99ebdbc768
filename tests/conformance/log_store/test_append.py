"""Appending, recovering, finding earlier sends."""

import pytest

from libs.log_store import EMPTY_HEAD, Head, Kind, LogBatch, LogStore, Millis, Recovered, SendId, Sent, Seq, SeqTaken
from tests.conformance.log_store.conftest import OpenStore
from tests.conformance.log_store.rows import FOREIGN, LOG, OTHER, batch, entries, row, rows, shown

EVERYTHING = 1 << 40


async def seqs_of(store: LogStore, log: object = LOG) -> list[int]:
    assert isinstance(log, type(LOG))
    return [shown.seq for shown in await store.read(log, Seq(1), Seq(1 << 50), limit=10_000, max_bytes=EVERYTHING)]


async def test_what_was_appended_is_read_again_to_the_last_byte(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 9)))
    assert await store.entries(LOG, [Seq(seq) for seq in range(1, 10)]) == entries(1, 9)
    assert await store.read(LOG, Seq(1), Seq(9), limit=100, max_bytes=EVERYTHING) == shown(1, 9)


async def test_what_was_appended_is_there_after_reopening(open_store: OpenStore) -> None:
    async with open_store() as store:
        await store.append(batch(LOG, rows(1, 3)))
    async with open_store() as store:
        assert await seqs_of(store) == [1, 2, 3]
        await store.append(batch(LOG, rows(4, 5)))
        assert await seqs_of(store) == [1, 2, 3, 4, 5]


async def test_repeating_an_append_changes_nothing(store: LogStore) -> None:
    batches = [LogBatch(LOG, rows(1, 3)), LogBatch(OTHER, rows(1, 2))]
    await store.append(batches)
    await store.append(batches)
    assert (await seqs_of(store), await seqs_of(store, OTHER)) == ([1, 2, 3], [1, 2])


async def test_a_repetition_may_bring_more_than_the_first_try(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 3)))
    await store.append([LogBatch(OTHER, rows(1, 1)), LogBatch(LOG, rows(1, 5))])
    assert (await seqs_of(store), await seqs_of(store, OTHER)) == ([1, 2, 3, 4, 5], [1])


async def test_another_event_at_a_taken_seq_is_refused_and_nothing_of_the_call_is_written(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 2)))
    with pytest.raises(SeqTaken) as taken:
        await store.append([LogBatch(OTHER, rows(1, 2)), LogBatch(LOG, [row(2, text="something else"), row(3)])])
    assert (taken.value.log, taken.value.seq) == (LOG, 2)
    assert (await seqs_of(store), await seqs_of(store, OTHER)) == ([1, 2], [])
    assert await store.entries(LOG, [Seq(2)]) == entries(2, 2)


async def test_the_same_log_id_in_another_application_is_another_log(store: LogStore) -> None:
    await store.append([LogBatch(LOG, rows(1, 3)), LogBatch(FOREIGN, [row(1, text="foreign")])])
    (foreign,) = await store.read(FOREIGN, Seq(1), Seq(9), limit=9, max_bytes=EVERYTHING)
    assert foreign.event == row(1, text="foreign").event
    assert await seqs_of(store) == [1, 2, 3]


async def test_the_owner_passes_the_barrier(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 1)))
    await store.barrier()


async def test_recovery_brings_the_head_and_the_newest_events(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 9)))
    recovered = await store.recover(LOG, 3)
    assert recovered.head == Head(Seq(9), 7, 2, Millis(1_700_000_000_009), row(9).event)
    assert recovered.sent == [
        Sent(r.seq, r.time_ms, r.kind, r.sender_user_id, r.client_id, r.digest, r.target_seq) for r in rows(7, 9)
    ]


async def test_recovery_finds_the_last_message_beneath_control_events(store: LogStore) -> None:
    controls = [row(seq, kind=Kind.CONTROL)._replace(message_count=1) for seq in (2, 3, 4)]
    await store.append(batch(LOG, [row(1), *controls]))
    recovered = await store.recover(LOG, 2)
    assert recovered.head.last_message == row(1).event
    assert [sent.seq for sent in recovered.sent] == [3, 4]


async def test_a_log_without_events_recovers_as_empty(store: LogStore) -> None:
    assert await store.recover(LOG, 10) == Recovered(EMPTY_HEAD, [])


async def test_an_earlier_send_is_found_within_the_range_only(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 9)))
    r = row(5)
    sent = Sent(r.seq, r.time_ms, r.kind, r.sender_user_id, r.client_id, r.digest, r.target_seq)
    ids = {SendId("alice", "id-5")}
    assert await store.find_sent(LOG, ids, Seq(1), Seq(9)) == [sent]
    assert await store.find_sent(LOG, ids, Seq(5), Seq(5)) == [sent]
    assert await store.find_sent(LOG, ids, Seq(6), Seq(9)) == []
    assert await store.find_sent(LOG, ids, Seq(1), Seq(4)) == []
    assert await store.find_sent(LOG, {SendId("bob", "id-5")}, Seq(1), Seq(9)) == []
    assert await store.find_sent(FOREIGN, ids, Seq(1), Seq(9)) == []


async def test_many_earlier_sends_are_found_at_once(store: LogStore) -> None:
    await store.append(batch(LOG, rows(1, 9)))
    ids = {SendId("alice", f"id-{number}") for number in (8, 2, 40, 5)}
    assert [sent.seq for sent in await store.find_sent(LOG, ids, Seq(1), Seq(7))] == [2, 5]
