"""What every PositionStore promises."""

import asyncio
import random

from libs.directory import Directory
from libs.directory.keys import MemberKey
from libs.directory.positions import Position

ALICE = MemberKey("shop", "team", "alice")
BOB = MemberKey("shop", "team", "bob")


async def test_nobody_has_read_anything_at_first(directory: Directory) -> None:
    assert await directory.positions.get([ALICE, BOB]) == [Position(ALICE, 0, 0), Position(BOB, 0, 0)]


async def test_positions_are_found_in_the_order_of_the_question(directory: Directory) -> None:
    await directory.positions.advance([Position(ALICE, 10, 8), Position(BOB, 3, 2)])
    elsewhere = MemberKey("other", "team", "alice")
    assert await directory.positions.get([BOB, elsewhere, ALICE]) == [
        Position(BOB, 3, 2, 3),
        Position(elsewhere, 0, 0),
        Position(ALICE, 10, 8, 10),
    ]


async def test_a_position_never_goes_back(directory: Directory) -> None:
    await directory.positions.advance([Position(ALICE, 10, 8)])
    await directory.positions.advance([Position(ALICE, 9, 7)])
    await directory.positions.advance([Position(ALICE, 10, 8)])
    assert await directory.positions.get([ALICE]) == [Position(ALICE, 10, 8, 10)]


async def test_what_was_delivered_and_what_was_read_move_forward_each_by_itself(directory: Directory) -> None:
    await directory.positions.advance([Position(ALICE, 0, 0, 7)])
    assert await directory.positions.get([ALICE]) == [Position(ALICE, 0, 0, 7)]
    await directory.positions.advance([Position(ALICE, 5, 4, 5)])
    assert await directory.positions.get([ALICE]) == [Position(ALICE, 5, 4, 7)]
    await directory.positions.advance([Position(ALICE, 9, 6), Position(BOB, 2, 1, 6)])
    assert await directory.positions.get([ALICE, BOB]) == [Position(ALICE, 9, 6, 9), Position(BOB, 2, 1, 6)]
    await directory.positions.advance([Position(ALICE, 0, 0, 8), Position(BOB, 1, 1, 5)])
    assert await directory.positions.get([ALICE, BOB]) == [Position(ALICE, 9, 6, 9), Position(BOB, 2, 1, 6)]


async def test_of_many_positions_of_one_member_at_once_the_highest_is_kept(directory: Directory) -> None:
    seqs = list(range(1, 101))
    random.Random(1).shuffle(seqs)
    batches = [seqs[start : start + 10] for start in range(0, 100, 10)]
    await asyncio.gather(
        *(directory.positions.advance([Position(ALICE, seq, seq // 2) for seq in batch]) for batch in batches)
    )
    assert await directory.positions.get([ALICE]) == [Position(ALICE, 100, 50, 100)]


async def test_positions_in_many_channels_and_of_many_members_are_found_at_once(directory: Directory) -> None:
    positions = [
        Position(MemberKey("shop", f"c{number}", "alice"), number + 1, number, number + 1) for number in range(250)
    ]
    positions += [
        Position(MemberKey("shop", "team", f"user-{number}"), number + 1, number, number + 1) for number in range(250)
    ]
    await directory.positions.advance(positions)
    assert await directory.positions.get([position.key for position in positions]) == positions


async def test_no_positions_are_no_trouble(directory: Directory) -> None:
    await directory.positions.advance([])
    assert await directory.positions.get([]) == []
