"""What every RevocationStore promises."""

import itertools

import pytest

from libs.directory import Directory
from libs.directory.revocations import TokenHolder
from tests.conformance.directory.conftest import OpenDirectory

ALICE = TokenHolder("shop", "alice", "")
PHONE = TokenHolder("shop", "alice", "phone")


async def test_a_time_is_found_of_its_holder_only(directory: Directory) -> None:
    await directory.revocations.advance(ALICE, 1_700_000_000_000)
    others = [PHONE, TokenHolder("shop", "bob", ""), TokenHolder("other", "alice", "")]
    assert await directory.revocations.get([PHONE, ALICE, *others]) == [0, 1_700_000_000_000, 0, 0, 0]


async def test_of_one_session_it_is_kept_beside_that_of_the_user(directory: Directory) -> None:
    await directory.revocations.advance(ALICE, 10)
    await directory.revocations.advance(PHONE, 20)
    assert await directory.revocations.get([ALICE, PHONE, ALICE]) == [10, 20, 10]


@pytest.mark.parametrize("order", list(itertools.permutations((10, 20, 30))))
async def test_the_latest_is_kept_in_whatever_order_they_come(directory: Directory, order: tuple[int, ...]) -> None:
    for time_ms in order:
        await directory.revocations.advance(ALICE, time_ms)
        await directory.revocations.advance(ALICE, time_ms)
    assert await directory.revocations.get([ALICE]) == [30]


async def test_many_are_no_trouble_and_neither_are_none(directory: Directory) -> None:
    many = [TokenHolder("shop", f"user-{number // 2}", str(number % 2)) for number in range(1_000)]
    await directory.revocations.advance(many[999], 7)
    assert await directory.revocations.get(many) == [0] * 999 + [7]
    assert await directory.revocations.get([]) == []


async def test_it_is_there_when_the_directory_is_opened_again(open_directory: OpenDirectory) -> None:
    async with open_directory() as directory:
        await directory.revocations.advance(ALICE, 10)
    async with open_directory() as directory:
        assert await directory.revocations.get([ALICE]) == [10]
