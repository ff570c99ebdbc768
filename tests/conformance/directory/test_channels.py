"""What every ChannelStore promises."""

import asyncio
from dataclasses import replace

import pytest

from libs.directory import Directory
from libs.directory.blocks import Block
from libs.directory.changes import Action, Change, ChangeKind, MemberStep
from libs.directory.channels import Channel, ChannelFields, ChannelKind
from libs.directory.keys import ChannelKey
from libs.directory.members import MemberRole

KEY = ChannelKey("shop", "team")
FIRST = Change(
    ChangeKind.MEMBERS,
    "alice",
    (MemberStep("alice", Action.JOIN, MemberRole.OWNER, 1_700_000_000_000, b"i" * 16, 7),),
    version=1,
)
SECOND = Change(
    ChangeKind.MEMBERS,
    "",
    (
        MemberStep("alice", Action.LEAVE, MemberRole.MEMBER, 1_700_000_000_000, b"i" * 16, 8),
        MemberStep('bö"b', Action.ROLE, MemberRole.OPERATOR, 1_700_000_000_001),
    ),
    version=2,
    log_seq=9,
)
TEAM = Channel(
    key=KEY,
    log_id=b"l" * 16,
    kind=ChannelKind.GROUP,
    fields=ChannelFields("The team", "https://example.org/c.png", '{"a": "ö"}', 30),
    creator_user_id="alice",
    direct_user_ids=(),
    create_time_ms=1_700_000_000_000,
    member_count=1,
    version=1,
    pending=FIRST,
)
SETTLED = replace(TEAM, pending=None)
CHANGED = replace(TEAM, version=2, member_count=5, pending=SECOND)
"""What SECOND makes of it."""


async def made(directory: Directory) -> None:
    """A channel whose first change is done."""
    await directory.channels.create(TEAM)
    await directory.channels.end_change(KEY, 1)


async def read(directory: Directory) -> Channel | None:
    [channel] = await directory.channels.get([KEY])
    return channel


async def test_a_channel_is_found_as_it_was_made_with_its_pending_change(directory: Directory) -> None:
    assert await directory.channels.create(TEAM) == TEAM
    direct = replace(
        TEAM, key=ChannelKey("shop", "d"), kind=ChannelKind.DIRECT, direct_user_ids=("alice", "bob"), pending=None
    )
    assert await directory.channels.create(direct) == direct
    keys = [direct.key, ChannelKey("other", "team"), KEY]
    assert await directory.channels.get(keys) == [direct, None, TEAM]


async def test_creating_again_returns_the_one_that_is_there(directory: Directory) -> None:
    await made(directory)
    assert await directory.channels.create(replace(TEAM, log_id=b"m" * 16, fields=ChannelFields("Other"))) == SETTLED
    assert await read(directory) == SETTLED


async def test_of_many_creating_at_once_all_get_the_same_channel(directory: Directory) -> None:
    channels = [replace(TEAM, log_id=bytes([number]) * 16) for number in range(10)]
    made = await asyncio.gather(*(directory.channels.create(channel) for channel in channels))
    assert len({channel.log_id for channel in made}) == 1


async def test_a_change_is_recorded_with_its_version_and_count_and_ends(directory: Directory) -> None:
    await made(directory)
    assert await directory.channels.begin_change(CHANGED)
    assert await read(directory) == CHANGED
    await directory.channels.end_change(KEY, 2)
    assert await read(directory) == replace(CHANGED, pending=None)


async def test_no_change_begins_while_another_is_pending(directory: Directory) -> None:
    await directory.channels.create(TEAM)
    assert not await directory.channels.begin_change(CHANGED)
    assert await read(directory) == TEAM


async def test_no_change_begins_on_another_version_than_the_one_before_its_own(directory: Directory) -> None:
    await made(directory)
    for version in (1, 3):
        assert not await directory.channels.begin_change(replace(CHANGED, version=version))
    assert await read(directory) == SETTLED


async def test_of_two_changes_to_one_version_exactly_one_is_recorded(directory: Directory) -> None:
    await made(directory)
    renaming = replace(SECOND, kind=ChangeKind.FIELDS, steps=(), old_name="The team")
    rivals = [
        replace(CHANGED, pending=renaming, fields=ChannelFields(f"Team {number}")) for number in range(10)
    ]  # of one actor, so that nothing but the row tells them apart
    begun = await asyncio.gather(*(directory.channels.begin_change(rival) for rival in rivals))
    assert begun.count(True) == 1
    assert await read(directory) == rivals[begun.index(True)]


async def test_beginning_the_same_change_again_says_that_it_is_recorded(directory: Directory) -> None:
    await made(directory)
    assert await directory.channels.begin_change(CHANGED)
    assert await directory.channels.begin_change(CHANGED)


async def test_a_change_that_ended_cannot_begin_again(directory: Directory) -> None:
    await made(directory)
    await directory.channels.begin_change(CHANGED)
    await directory.channels.end_change(KEY, 2)
    assert not await directory.channels.begin_change(CHANGED)


async def test_ending_a_change_of_another_version_leaves_the_pending_one(directory: Directory) -> None:
    await made(directory)
    await directory.channels.begin_change(CHANGED)
    for version in (1, 3):
        await directory.channels.end_change(KEY, version)
    channel = await read(directory)
    assert channel is not None
    assert channel.pending == SECOND


async def test_no_change_begins_in_a_channel_that_does_not_exist(directory: Directory) -> None:
    assert not await directory.channels.begin_change(TEAM)
    assert await read(directory) is None


async def test_all_channels_with_a_pending_change_are_named_and_at_most_the_limit(directory: Directory) -> None:
    pending = {ChannelKey("shop", f"c{number}") for number in range(5)} | {ChannelKey("other", "c0")}
    for key in pending:
        await directory.channels.create(replace(TEAM, key=key))
    assert set(await directory.channels.with_pending_change(100)) >= pending
    assert len(await directory.channels.with_pending_change(3)) == 3


@pytest.mark.parametrize(
    "changed",
    [
        replace(
            CHANGED,
            pending=Change(ChangeKind.FIELDS, "bob", old_name="The team", version=2, log_seq=3),
            fields=ChannelFields("Another", "", "", 0),
        ),
        replace(
            CHANGED,
            pending=Change(ChangeKind.BLOCK, "bob", block=Block("shop", "bob", "alice", True, 3), version=2),
            blocked_by=("bob", "alice"),
        ),
        replace(
            CHANGED,
            pending=Change(ChangeKind.DELETION, "", old_name="The team", version=2),
            fields=ChannelFields(),
            member_count=0,
            deleted=True,
        ),
    ],
    ids=lambda changed: changed.pending.kind,
)
async def test_every_kind_of_change_is_recorded_with_what_it_makes_of_the_channel(
    directory: Directory, changed: Channel
) -> None:
    await made(directory)
    assert await directory.channels.begin_change(changed)
    assert await read(directory) == changed


async def test_the_id_of_a_deleted_channel_is_never_given_again(directory: Directory) -> None:
    deletion = Change(ChangeKind.DELETION, "alice", version=2)
    deleted = replace(CHANGED, pending=deletion, fields=ChannelFields(), deleted=True)
    await made(directory)
    await directory.channels.begin_change(deleted)
    await directory.channels.end_change(KEY, 2)
    assert await directory.channels.create(replace(TEAM, log_id=b"m" * 16)) == replace(deleted, pending=None)
