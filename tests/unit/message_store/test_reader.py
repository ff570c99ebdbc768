"""Ranges and heads as gateways ask for them."""

from pathlib import Path

import pytest
from tertulia.chat.v1 import event_pb2

from libs.log_store import EMPTY_HEAD, LogKey, Seq
from services.message_store.reader import MAX_READ_BYTES, MAX_ROWS, Page
from tests.unit.message_store.owner import LOG, OTHER, Owner, item, owner_of


async def read(
    owner: Owner, first: int, last: int, *, limit: int = 1_000, backward: bool = False, messages_only: bool = False
) -> tuple[list[int], int, int, int]:
    """The seqs of the events, the range that was scanned, the head."""
    page: Page = await owner.reader.read(
        LOG, Seq(first), Seq(last), limit=limit, backward=backward, messages_only=messages_only
    )
    return [event_pb2.Event.FromString(event).seq for event in page.events], page.from_seq, page.to_seq, page.head_seq


@pytest.fixture
async def ten(owner: Owner) -> Owner:
    """A log of ten events, of which 2, 3, 4, 5 and 9 are control events."""
    await owner.append(*(item(str(seq), control=seq in {2, 3, 4, 5, 9}) for seq in range(1, 11)))
    return owner


async def test_a_range_is_cut_at_the_limit_from_its_beginning(ten: Owner) -> None:
    assert await read(ten, 3, 8, limit=4) == ([3, 4, 5, 6], 3, 6, 10)


async def test_a_backward_range_is_cut_from_its_end(ten: Owner) -> None:
    assert await read(ten, 3, 8, limit=4, backward=True) == ([5, 6, 7, 8], 5, 8, 10)


async def test_beyond_the_head_is_the_head(ten: Owner) -> None:
    assert await read(ten, 8, 1 << 50) == ([8, 9, 10], 8, 10, 10)
    assert await read(ten, 1, 1 << 50, limit=2, backward=True) == ([9, 10], 9, 10, 10)


@pytest.mark.parametrize("backward", [False, True])
async def test_a_range_above_the_head_or_of_nothing_scans_nothing(ten: Owner, backward: bool) -> None:
    for first, last in ((11, 20), (7, 6)):
        events, from_seq, to_seq, head = await read(ten, first, last, backward=backward)
        assert (events, to_seq, head) == ([], from_seq - 1, 10)


async def test_an_unknown_log_is_empty(owner: Owner) -> None:
    assert await read(owner, 1, 10) == ([], 1, 0, 0)


async def test_messages_only_fills_the_page_and_says_what_was_scanned(ten: Owner) -> None:
    assert await read(ten, 1, 10, limit=2, messages_only=True) == ([1, 6], 1, 6, 10)
    assert await read(ten, 1, 10, limit=4, backward=True, messages_only=True) == ([6, 7, 8, 10], 6, 10, 10)
    assert await read(ten, 2, 5, messages_only=True) == ([], 2, 5, 10)
    assert await read(ten, 2, 5, messages_only=True, backward=True) == ([], 2, 5, 10)


async def test_messages_only_scans_a_bounded_number_of_rows(owner: Owner) -> None:
    for start in range(0, 1_500, 500):
        await owner.append(*(item(str(start + n), control=True) for n in range(500)))
    await owner.append(item("message"))
    assert await read(owner, 1, 1 << 50, limit=10, messages_only=True) == ([], 1, MAX_ROWS, 1_501)


@pytest.mark.parametrize("backward", [False, True])
async def test_a_read_is_cut_at_a_mebibyte(owner: Owner, backward: bool) -> None:
    text = "x" * 100_000
    for start in range(0, 30, 10):
        await owner.append(*(item(str(start + n), text=text) for n in range(10)))
    events, from_seq, to_seq, _ = await read(owner, 1, 30, backward=backward)
    assert len(events) == MAX_READ_BYTES // len(text) + 1
    assert events == list(range(from_seq, to_seq + 1))
    assert (to_seq == 30) if backward else (from_seq == 1)


async def test_heads_are_the_same_from_memory_and_from_the_store(tmp_path: Path) -> None:
    unknown = LogKey("app", b"never written 00")
    async with owner_of(tmp_path) as owner:
        await owner.append(
            item("m", text="last words"), item("c", control=True, policy_version=3), item("o", log=OTHER)
        )
        from_memory = await owner.reader.heads([LOG, unknown, OTHER], with_last_message=True)
    async with owner_of(tmp_path) as owner:
        await owner.append(item("o", log=OTHER))  # this one is in memory, the other is not
        from_store = await owner.reader.heads([LOG, unknown, OTHER], with_last_message=True)
    assert from_memory == from_store
    head = from_memory[0]
    assert (head.seq, head.message_count, head.policy_version) == (2, 1, 3)
    assert event_pb2.Event.FromString(head.last_message).message.text == "last words"
    assert from_memory[1] == EMPTY_HEAD
