"""What every MemberStore promises."""

import itertools
from dataclasses import replace

import pytest

from libs.directory import Directory
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member, MemberRole, MemberState

TEAM = ChannelKey("shop", "team")


def member(user_id: str, channel_id: str = "team", *, application_id: str = "shop", version: int = 1) -> Member:
    key = MemberKey(application_id, channel_id, user_id)
    return Member(key, MemberState.ACTIVE, MemberRole.MEMBER, 1_700_000_000_000, version)


def gone(member: Member, version: int) -> Member:
    return replace(member, state=MemberState.LEFT, version=version)


async def test_members_are_found_in_the_order_of_the_question(directory: Directory) -> None:
    alice, bob = member("alice"), replace(member("bob"), role=MemberRole.OWNER)
    await directory.members.put([alice, bob])
    stranger = MemberKey(*TEAM, "carol")
    assert await directory.members.get([bob.key, stranger, alice.key]) == [bob, None, alice]


async def test_who_left_is_still_found_but_in_no_list(directory: Directory) -> None:
    alice = member("alice")
    await directory.members.put([alice])
    await directory.members.put([gone(alice, 2)])
    assert await directory.members.get([alice.key]) == [gone(alice, 2)]
    assert await directory.members.of_channel(TEAM, "", 10) == []
    assert await directory.members.of_user(UserKey("shop", "alice")) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_the_highest_version_is_kept_in_whatever_order_rows_are_written(
    directory: Directory, order: tuple[int, ...]
) -> None:
    joined = member("alice", version=1)
    rows = [joined, gone(joined, 4), replace(joined, role=MemberRole.OWNER, join_time_ms=5, version=7)]
    for index in order:
        await directory.members.put([rows[index]])
    assert await directory.members.get([joined.key]) == [rows[2]]
    assert await directory.members.of_user(UserKey("shop", "alice")) == [rows[2]]
    assert await directory.members.of_channel(TEAM, "", 10) == [rows[2]]


async def test_pages_of_a_channel_follow_each_other_in_order_of_the_ids_bytes(directory: Directory) -> None:
    names = ["Zoe", "alice", "bob", "carol", "dave", "é", "z", "\N{GRINNING FACE}", "a", "*"]
    rows = {name: member(name) for name in names}
    await directory.members.put([*rows.values(), gone(member("bella"), 2), member("x", "other")])
    pages: list[Member] = []
    after = ""
    while page := await directory.members.of_channel(TEAM, after, 3):
        assert len(page) <= 3
        pages += page
        after = page[-1].key.user_id
    assert pages == [rows[name] for name in sorted(names, key=str.encode)]


async def test_a_page_is_as_long_as_asked_even_where_many_left(directory: Directory) -> None:
    await directory.members.put([gone(member(f"a{number}"), 2) for number in range(20)])
    await directory.members.put([member("b"), member("c")])
    page = await directory.members.of_channel(TEAM, "", 2)
    assert [found.key.user_id for found in page] == ["b", "c"]


async def test_a_users_channels_are_those_of_their_application(directory: Directory) -> None:
    rows = [member("alice", f"c{number}") for number in range(5)]
    await directory.members.put([*rows, member("bob", "c9"), member("alice", "c9", application_id="other")])
    found = await directory.members.of_user(UserKey("shop", "alice"))
    assert sorted(found, key=lambda row: row.key) == rows


async def test_many_members_of_one_channel_and_many_channels_of_one_user_are_found_at_once(
    directory: Directory,
) -> None:
    of_team = [member(f"user-{number:03}") for number in range(250)]
    of_alice = [member("alice", f"c{number:03}", version=number + 1) for number in range(250)]
    await directory.members.put([*of_team, *of_alice])
    for rows in (of_team, of_alice):
        strangers = [row.key._replace(channel_id=f"not-{row.key.channel_id}") for row in rows[:5]]
        assert await directory.members.get([*strangers, *(row.key for row in rows)]) == [None] * 5 + rows
    assert await directory.members.of_channel(TEAM, "", 240) == of_team[:240]
    found = await directory.members.of_user(UserKey("shop", "alice"))
    assert sorted(found, key=lambda row: row.key) == of_alice


async def test_no_members_are_no_trouble(directory: Directory) -> None:
    await directory.members.put([])
    assert await directory.members.get([]) == []
