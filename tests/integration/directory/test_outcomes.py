"""Requests and answers that are lost: what is known is said, what is not is said to be unknown, and repeating it is safe."""

import asyncio
from dataclasses import replace

import pytest
from tertulia.chat.v1 import error_pb2

from libs.directory import Directory
from libs.directory.applications import Application, Key
from libs.directory.errors import DirectoryOverloaded, DirectoryUnavailable
from libs.directory.keys import MemberKey, UserKey
from libs.directory.members import Member, MemberRole, MemberState
from libs.directory.users import User
from tests.conformance.directory.test_channels import CHANGED, KEY, SETTLED, TEAM, made, read
from tests.integration.directory.weak_session import WeakSession

ALICE = User(UserKey("shop", "alice"), b"a" * 16, "Alice", "", 1)
SHOP = Application("shop", "The shop", b"secret", 1)
SHOP_KEY = Key("shop", "k1", b"secret")

UNKNOWN = error_pb2.ERROR_REASON_OUTCOME_UNKNOWN


async def test_a_read_that_gets_no_answer_did_nothing(session: WeakSession, directory: Directory) -> None:
    session.lost_requests = {"SELECT"}
    with pytest.raises(DirectoryUnavailable) as failure:
        await directory.users.get([ALICE.key])
    assert failure.value.reason == error_pb2.ERROR_REASON_UNAVAILABLE


async def test_who_was_made_though_the_answer_was_lost_is_found_out(session: WeakSession, directory: Directory) -> None:
    session.lost_answers = {"INSERT INTO ks.users", "INSERT INTO ks.applications", "INSERT INTO ks.application_keys"}
    assert await directory.users.create([ALICE]) == [ALICE]
    assert await directory.applications.create(SHOP) == SHOP
    assert await directory.applications.create_key(SHOP_KEY) == SHOP_KEY
    assert not session.lost_answers


@pytest.mark.parametrize("lost", ["the request", "both answers"])
async def test_whether_somebody_was_made_is_unknown_until_it_is_tried_again(
    session: WeakSession, directory: Directory, lost: str
) -> None:
    if lost == "the request":
        session.lost_requests = {"INSERT"}
    else:
        session.lost_answers = {"INSERT", "SELECT"}
    with pytest.raises(DirectoryUnavailable) as failure:
        await directory.users.create([ALICE])
    assert failure.value.reason == UNKNOWN
    assert await directory.users.create([ALICE]) == [ALICE]


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
async def test_a_lost_change_of_a_profile_is_unknown_and_can_be_repeated(
    session: WeakSession, directory: Directory, lost: str
) -> None:
    await directory.users.create([ALICE])
    setattr(session, lost, {"UPDATE"})
    alicia = replace(ALICE, name="Alicia", version=2)
    with pytest.raises(DirectoryUnavailable) as failure:
        await directory.users.update([alicia])
    assert failure.value.reason == UNKNOWN
    await directory.users.update([alicia])
    assert await directory.users.get([ALICE.key]) == [alicia]


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
async def test_a_lost_withdrawal_of_a_key_is_unknown_and_can_be_repeated(
    session: WeakSession, directory: Directory, lost: str
) -> None:
    await directory.applications.create_key(SHOP_KEY)
    setattr(session, lost, {"UPDATE"})
    with pytest.raises(DirectoryUnavailable) as failure:
        await directory.applications.withdraw_key("shop", "k1")
    assert failure.value.reason == UNKNOWN
    await directory.applications.withdraw_key("shop", "k1")
    assert await directory.applications.get_key("shop", "k1") == replace(SHOP_KEY, withdrawn=True)


async def test_a_channel_that_was_made_though_the_answer_was_lost_is_ones_own(
    session: WeakSession, directory: Directory
) -> None:
    session.lost_answers = {"INSERT INTO ks.channels"}
    assert await directory.channels.create(TEAM) == TEAM
    assert not session.lost_answers


async def test_a_change_that_began_though_the_answer_was_lost_has_begun(
    session: WeakSession, directory: Directory
) -> None:
    await made(directory)
    session.lost_answers = {"UPDATE"}
    assert await directory.channels.begin_change(CHANGED)
    assert not session.lost_answers


async def test_a_change_that_may_still_begin_is_neither_begun_nor_refused(
    session: WeakSession, directory: Directory
) -> None:
    await made(directory)
    session.lost_requests = {"UPDATE"}
    with pytest.raises(DirectoryUnavailable) as failure:
        await directory.channels.begin_change(CHANGED)
    assert failure.value.reason == UNKNOWN
    assert await directory.channels.begin_change(CHANGED)


async def test_a_change_that_cannot_begin_is_refused_though_the_answer_was_lost(
    session: WeakSession, directory: Directory
) -> None:
    await directory.channels.create(TEAM)
    session.lost_answers = {"UPDATE"}
    assert not await directory.channels.begin_change(CHANGED)


@pytest.mark.parametrize("lost", ["lost_requests", "lost_answers"])
async def test_a_change_ends_or_is_said_to_be_open(session: WeakSession, directory: Directory, lost: str) -> None:
    await directory.channels.create(TEAM)
    setattr(session, lost, {"UPDATE"})
    if lost == "lost_requests":
        with pytest.raises(DirectoryUnavailable) as failure:
            await directory.channels.end_change(KEY, 1)
        assert failure.value.reason == UNKNOWN
        assert await read(directory) == TEAM
    await directory.channels.end_change(KEY, 1)
    assert await read(directory) == SETTLED


async def test_rows_of_members_that_were_written_by_half_are_whole_when_they_are_written_again(
    session: WeakSession, directory: Directory
) -> None:
    alice = Member(MemberKey(*TEAM.key, "alice"), MemberState.ACTIVE, MemberRole.OWNER, 1, 1)
    session.lost_requests = {"INSERT INTO ks.channels_of_user"}
    with pytest.raises(DirectoryUnavailable):
        await directory.members.put([alice])
    assert await directory.members.get([alice.key]) == [alice], "whoever is not listed yet is let in already"
    await directory.members.put([alice])
    assert await directory.members.of_user(ALICE.key) == [alice]


async def test_with_too_much_waiting_more_is_refused_at_once(session: WeakSession, directory: Directory) -> None:
    session.stuck = asyncio.Event()
    waiting = [asyncio.create_task(directory.users.get([ALICE.key])) for _ in range(10_000)]
    await asyncio.sleep(0)  # all of them have begun
    with pytest.raises(DirectoryOverloaded):
        await directory.users.get([ALICE.key])
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    session.stuck = None
    assert await directory.users.get([ALICE.key]) == [None]
