"""What every UserStore promises."""

import asyncio
from dataclasses import replace

from libs.directory import Directory
from libs.directory.keys import UserKey
from libs.directory.users import User

ALICE = User(UserKey("shop", "alice"), b"a" * 16, "Alice", "https://example.org/a.png", 1_700_000_000_000)
BOB = User(UserKey("shop", "böb *.> '\"%_"), b"b" * 16, "", "", 1_700_000_000_001)


async def test_users_are_found_in_the_order_of_the_question_with_gaps_for_strangers(directory: Directory) -> None:
    assert await directory.users.create([ALICE, BOB]) == [ALICE, BOB]
    stranger = UserKey("shop", "carol")
    elsewhere = UserKey("other", "alice")
    assert await directory.users.get([BOB.key, stranger, ALICE.key, elsewhere, BOB.key]) == [
        BOB,
        None,
        ALICE,
        None,
        BOB,
    ]


async def test_a_user_made_twice_keeps_the_first_inbox(directory: Directory) -> None:
    await directory.users.create([ALICE])
    again = replace(ALICE, inbox_log_id=b"z" * 16, name="Other")
    assert await directory.users.create([again, BOB, BOB]) == [ALICE, BOB, BOB]


async def test_a_user_is_updated_from_one_version_to_the_next(directory: Directory) -> None:
    await directory.users.create([ALICE, BOB])
    alicia = replace(ALICE, name="Alicia", avatar_url="", version=2)
    assert await directory.users.update([alicia, replace(BOB, name="Bob", version=3)]) == [True, False]
    assert await directory.users.get([ALICE.key, BOB.key]) == [alicia, BOB]
    assert await directory.users.update([alicia]) == [False], "it is done already"


async def test_of_two_updates_to_one_version_exactly_one_is_stored(directory: Directory) -> None:
    await directory.users.create([ALICE])
    rivals = [replace(ALICE, name=f"Alice {number}", version=2) for number in range(5)]
    done = await asyncio.gather(*(directory.users.update([rival]) for rival in rivals))
    assert done.count([True]) == 1
    assert await directory.users.get([ALICE.key]) == [rivals[done.index([True])]]


async def test_an_update_never_makes_a_user(directory: Directory) -> None:
    assert await directory.users.update([replace(ALICE, version=2), replace(BOB, version=1)]) == [False, False]
    assert await directory.users.get([ALICE.key, BOB.key]) == [None, None]


async def test_no_users_are_no_trouble(directory: Directory) -> None:
    assert await directory.users.create([]) == []
    assert await directory.users.get([]) == []
    assert await directory.users.update([]) == []
