"""The list that the sweeper reads: no pending change is missing from it, and nothing else stays on it."""

from dataclasses import replace

import pytest

from libs.cassandra import Statement, Values, read
from libs.directory import Directory
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import ChannelKey
from tests.conformance.directory.test_channels import CHANGED, KEY, SECOND, TEAM, made
from tests.integration.directory.weak_session import WeakSession

ENTRIES = Statement("SELECT channel_id, version FROM ks.pending_changes")


async def entries(session: WeakSession) -> set[Values]:
    return set(await read(session, ENTRIES, ()))


async def pending(directory: Directory) -> list[ChannelKey]:
    return list(await directory.channels.with_pending_change(100))


async def test_a_change_is_on_the_list_from_before_it_begins_until_it_is_over(
    session: WeakSession, directory: Directory
) -> None:
    await directory.channels.create(TEAM)
    assert await entries(session) == {("team", 1)}
    await directory.channels.end_change(KEY, 1)
    assert await entries(session) == set()
    session.lost_requests = {"UPDATE"}
    with pytest.raises(DirectoryUnavailable):
        await directory.channels.begin_change(CHANGED)
    assert await entries(session) == {("team", 2)}
    assert await directory.channels.begin_change(CHANGED)
    assert await pending(directory) == [KEY]
    await directory.channels.end_change(KEY, 2)
    assert await entries(session) == set()


async def test_a_change_that_cannot_be_listed_does_not_begin(session: WeakSession, directory: Directory) -> None:
    await made(directory)
    session.lost_requests = {"INSERT INTO ks.pending_changes"}
    with pytest.raises(DirectoryUnavailable):
        await directory.channels.begin_change(CHANGED)
    assert await directory.channels.begin_change(replace(CHANGED, pending=replace(SECOND, actor_user_id="another")))


async def test_a_change_that_may_still_begin_is_not_named_and_stays_on_the_list(
    session: WeakSession, directory: Directory
) -> None:
    await made(directory)
    session.lost_requests = {"UPDATE", "INSERT INTO ks.channels"}
    with pytest.raises(DirectoryUnavailable):
        await directory.channels.begin_change(CHANGED)
    with pytest.raises(DirectoryUnavailable):
        await directory.channels.create(replace(TEAM, key=ChannelKey("shop", "another")))
    assert await pending(directory) == []
    assert await entries(session) == {("team", 2), ("another", 1)}


async def test_what_is_over_and_still_listed_is_taken_off_when_the_list_is_read(
    session: WeakSession, directory: Directory
) -> None:
    await directory.channels.create(TEAM)
    session.lost_requests = {"DELETE"}
    await directory.channels.end_change(KEY, 1)
    assert await entries(session) == {("team", 1)}
    assert await directory.channels.begin_change(CHANGED)
    assert await pending(directory) == [KEY]
    assert await entries(session) == {("team", 2)}


async def test_the_first_named_are_as_many_as_asked_for_even_behind_what_is_over(
    session: WeakSession, directory: Directory
) -> None:
    for number in range(30):
        key = ChannelKey("shop", f"c{number}")
        await directory.channels.create(replace(TEAM, key=key))
        if number % 2:
            session.lost_requests = {"DELETE"}
            await directory.channels.end_change(key, 1)
    named = await directory.channels.with_pending_change(10)
    assert len(set(named)) == 10
    assert all(int(key.channel_id[1:]) % 2 == 0 for key in named)
