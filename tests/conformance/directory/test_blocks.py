"""What every BlockStore promises."""

import itertools
from dataclasses import replace

import pytest

from libs.directory import Directory
from libs.directory.blocks import Block, BlockKey
from libs.directory.keys import UserKey

ALICE = UserKey("shop", "alice")
BOB = Block("shop", "alice", "bob", blocked=True, version=1)


def blocked(user_id: str) -> Block:
    return replace(BOB, blocked_user_id=user_id)


async def test_a_block_is_found_from_the_one_who_blocks_only(directory: Directory) -> None:
    await directory.blocks.put([BOB])
    other_way = BlockKey("shop", "bob", "alice")
    elsewhere = BlockKey("other", "alice", "bob")
    assert await directory.blocks.get([other_way, BOB.key, elsewhere]) == [
        Block(*other_way, blocked=False, version=0),
        BOB,
        Block(*elsewhere, blocked=False, version=0),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_highest_version_is_kept_in_whatever_order_rows_are_written(
    directory: Directory, order: tuple[int, ...]
) -> None:
    rows = [BOB, replace(BOB, blocked=False, version=2), replace(BOB, version=3)]
    for index in order:
        await directory.blocks.put([rows[index]])
    assert await directory.blocks.get([BOB.key]) == [rows[2]]
    await directory.blocks.put([replace(BOB, blocked=False, version=4)])
    assert await directory.blocks.of_user(ALICE, "", 10) == []


async def test_whom_somebody_has_blocked_is_listed_in_order_of_the_ids_bytes(directory: Directory) -> None:
    names = ["Zoe", "bob", "carol", "é", "\N{GRINNING FACE}", "*"]
    gone = [replace(blocked(f"a{number}"), blocked=False, version=2) for number in range(20)]
    await directory.blocks.put([*map(blocked, names), *gone, Block("shop", "bob", "dave", blocked=True, version=1)])
    pages: list[Block] = []
    while page := await directory.blocks.of_user(ALICE, pages[-1].blocked_user_id if pages else "", 4):
        assert len(page) <= 4
        pages += page
    assert pages == [blocked(name) for name in sorted(names, key=str.encode)]


async def test_many_blocks_are_no_trouble_and_neither_are_none(directory: Directory) -> None:
    many = [blocked(f"user-{number:04}") for number in range(1_000)]
    await directory.blocks.put(many)
    assert await directory.blocks.of_user(ALICE, "", 1_000) == many
    assert await directory.blocks.get([block.key for block in many]) == many
    await directory.blocks.put([])
    assert await directory.blocks.get([]) == []
