"""What every PreferenceStore promises."""

import asyncio
from dataclasses import replace

from libs.directory import Directory
from libs.directory.keys import MemberKey, UserKey
from libs.directory.preferences import Preferences

TEAM = MemberKey("shop", "team", "alice")
NEWS = MemberKey("shop", "news", "alice")
FIRST = Preferences(TEAM, 1, muted=True, pinned=True, hidden=True, hidden_message_count=2**40, marked_unread=True)


async def test_where_nothing_was_set_nothing_is_preferred(directory: Directory) -> None:
    assert await directory.preferences.get([TEAM, NEWS]) == [Preferences(TEAM), Preferences(NEWS)]
    assert await directory.preferences.of_user(UserKey("shop", "alice")) == []


async def test_preferences_are_found_as_they_were_set(directory: Directory) -> None:
    assert await directory.preferences.update(FIRST)
    assert await directory.preferences.get([NEWS, TEAM]) == [Preferences(NEWS), FIRST]
    second = Preferences(TEAM, 2, muted=True)
    assert await directory.preferences.update(second)
    assert await directory.preferences.get([TEAM]) == [second]


async def test_the_same_update_again_says_that_it_is_stored(directory: Directory) -> None:
    assert await directory.preferences.update(FIRST)
    assert await directory.preferences.update(FIRST)


async def test_an_update_of_another_version_than_the_next_changes_nothing(directory: Directory) -> None:
    assert not await directory.preferences.update(replace(FIRST, version=2))
    await directory.preferences.update(FIRST)
    for version in (1, 3):
        assert not await directory.preferences.update(replace(FIRST, version=version, muted=False))
    assert await directory.preferences.get([TEAM]) == [FIRST]


async def test_of_two_updates_to_one_version_exactly_one_is_stored(directory: Directory) -> None:
    rivals = [replace(FIRST, hidden_message_count=number) for number in range(5)]
    done = await asyncio.gather(*(directory.preferences.update(rival) for rival in rivals))
    assert done.count(True) == 1
    assert await directory.preferences.get([TEAM]) == [rivals[done.index(True)]]


async def test_all_preferences_of_a_user_are_found_together(directory: Directory) -> None:
    wanted = [Preferences(MemberKey("shop", f"c{number}", "alice"), 1, muted=True) for number in range(5)]
    others = [MemberKey("shop", "c1", "bob"), MemberKey("other", "c1", "alice")]
    for preferences in [*wanted, *(Preferences(key, 1, pinned=True) for key in others)]:
        await directory.preferences.update(preferences)
    found = await directory.preferences.of_user(UserKey("shop", "alice"))
    assert sorted(found, key=lambda preferences: preferences.key) == wanted
