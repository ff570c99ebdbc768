"""What every UserStore promises."""

from dataclasses import replace

from libs.directory import Directory
from libs.directory.keys import UserKey
from libs.directory.users import ProfileChange, User

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


async def test_a_profile_change_sets_what_it_names_and_nothing_else(directory: Directory) -> None:
    await directory.users.create([ALICE, BOB])
    await directory.users.change_profiles(
        [ProfileChange(ALICE.key, "Alicia", None), ProfileChange(BOB.key, None, "https://example.org/b.png")]
    )
    assert await directory.users.get([ALICE.key, BOB.key]) == [
        replace(ALICE, name="Alicia"),
        replace(BOB, avatar_url="https://example.org/b.png"),
    ]


async def test_a_profile_can_be_emptied(directory: Directory) -> None:
    await directory.users.create([ALICE])
    await directory.users.change_profiles([ProfileChange(ALICE.key, "", "")])
    assert await directory.users.get([ALICE.key]) == [replace(ALICE, name="", avatar_url="")]


async def test_of_two_changes_of_one_user_the_later_counts(directory: Directory) -> None:
    await directory.users.create([ALICE])
    await directory.users.change_profiles([ProfileChange(ALICE.key, name, None) for name in ("One", "Two")])
    assert await directory.users.get([ALICE.key]) == [replace(ALICE, name="Two")]


async def test_a_profile_change_never_makes_a_user(directory: Directory) -> None:
    await directory.users.change_profiles([ProfileChange(ALICE.key, "Alice", None)])
    assert await directory.users.get([ALICE.key]) == [None]


async def test_no_users_are_no_trouble(directory: Directory) -> None:
    assert await directory.users.create([]) == []
    assert await directory.users.get([]) == []
    await directory.users.change_profiles([])
