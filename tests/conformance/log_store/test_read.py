"""Ranges, heads and counts."""

import pytest

from libs.log_store import EMPTY_HEAD, Head, LogBatch, LogKey, LogPosition, LogStore, Millis, Seq
from tests.conformance.log_store.rows import FOREIGN, LOG, OTHER, batch, row, rows, shown

EVERYTHING = 1 << 40


@pytest.fixture(autouse=True)
async def twenty_events(store: LogStore) -> None:
    await store.append([LogBatch(LOG, rows(1, 20)), LogBatch(OTHER, rows(1, 2))])


@pytest.mark.parametrize(
    ("first", "last", "limit", "backward", "expected"),
    [
        (1, 20, 5, False, (1, 5)),
        (1, 20, 5, True, (16, 20)),
        (7, 9, 100, False, (7, 9)),
        (7, 9, 100, True, (7, 9)),
        (19, 99, 100, False, (19, 20)),
        (20, 20, 1, True, (20, 20)),
    ],
)
async def test_a_range_comes_in_order_and_whole_up_to_the_limit(
    store: LogStore, first: int, last: int, limit: int, backward: bool, expected: tuple[int, int]
) -> None:
    found = await store.read(LOG, Seq(first), Seq(last), limit=limit, max_bytes=EVERYTHING, backward=backward)
    assert found == shown(*expected)


@pytest.mark.parametrize(("first", "last"), [(21, 30), (9, 8)])
async def test_a_range_without_events_is_empty(store: LogStore, first: int, last: int) -> None:
    assert await store.read(LOG, Seq(first), Seq(last), limit=10, max_bytes=EVERYTHING) == []


@pytest.mark.parametrize(("backward", "expected"), [(False, [1, 2, 3]), (True, [18, 19, 20])])
async def test_a_range_ends_with_the_event_that_reaches_the_bytes(
    store: LogStore, backward: bool, expected: list[int]
) -> None:
    at_end = rows(18, 20) if backward else rows(1, 3)
    enough_for_three = sum(len(r.event) for r in at_end) - 1
    found = await store.read(LOG, Seq(1), Seq(20), limit=20, max_bytes=enough_for_three, backward=backward)
    assert [event.seq for event in found] == expected


async def test_heads_come_in_the_order_of_the_question(store: LogStore) -> None:
    never_written = LogKey("app", b"never written 00")
    heads = await store.heads([OTHER, never_written, LOG, FOREIGN], with_last_message=True)
    assert heads == [
        Head(Seq(2), 2, 0, Millis(1_700_000_000_002), row(2).event),
        EMPTY_HEAD,
        Head(Seq(20), 15, 5, Millis(1_700_000_000_020), row(19).event),
        EMPTY_HEAD,
    ]


async def test_heads_leave_the_last_message_out_where_it_was_not_asked_for(store: LogStore) -> None:
    (head,) = await store.heads([LOG], with_last_message=False)
    assert head == Head(Seq(20), 15, 5, Millis(1_700_000_000_020), b"")


async def test_heads_of_very_many_logs_are_one_call(store: LogStore) -> None:
    logs = [LogKey("app", number.to_bytes(16)) for number in range(5_000)]
    await store.append([LogBatch(log, [row(1)]) for log in logs[::2]])
    heads = await store.heads(logs, with_last_message=False)
    assert [head.seq for head in heads] == [1, 0] * 2_500


async def test_counts_are_those_of_the_rows(store: LogStore) -> None:
    positions = [LogPosition(LOG, Seq(seq)) for seq in (20, 0, 4, 21)] + [LogPosition(FOREIGN, Seq(1))]
    assert await store.counts(positions) == [15, 0, 3, -1, -1]


async def test_a_read_sees_an_append_that_returned_before_it(store: LogStore) -> None:
    for seq in range(21, 61):
        await store.append(batch(LOG, [row(seq)]))
        (head,) = await store.heads([LOG], with_last_message=False)
        assert head.seq == seq
