"""The rules of membership."""

import pytest
from tertulia.chat.v1 import error_pb2

from libs.directory.changes import Action
from libs.directory.channels import ChannelKind
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.caller import Caller
from libs.rpc.errors import FailedPrecondition, FieldsInvalid, PermissionDenied, ResourceExhausted
from services.channel.rules import (
    acting_user,
    count_after,
    first_steps,
    is_member,
    joining_steps,
    leaving_steps,
    may_change_members,
    successor,
)
from tests.unit.channel.builders import change, channel, member, step

ALICE = Caller("shop", "alice", server=False)
SERVER = Caller("shop", "", server=True)


def test_a_member_is_one_from_the_row_on_until_it_says_that_they_left() -> None:
    assert is_member(channel(), member("alice"))
    assert not is_member(channel(), member("alice", state=MemberState.LEFT))
    assert not is_member(channel(), None)


def test_who_is_being_removed_is_out_before_the_removal_is_done() -> None:
    removing_bob = channel(pending=change(step("bob", Action.LEAVE), step("carol", Action.PROMOTE)))
    assert not is_member(removing_bob, member("bob"))
    assert is_member(removing_bob, member("carol"))
    assert is_member(removing_bob, member("alice"))


def test_who_is_being_added_is_not_in_before_the_row_is_written() -> None:
    adding_bob = channel(pending=change(step("bob", Action.JOIN)))
    assert not is_member(adding_bob, None)
    assert not is_member(adding_bob, member("bob", state=MemberState.LEFT))


def test_calls_for_a_user_need_one() -> None:
    assert acting_user(ALICE) == "alice"
    with pytest.raises(FieldsInvalid, match="tertulia-user"):
        acting_user(SERVER)


def test_owners_and_server_keys_change_the_members_of_a_group() -> None:
    may_change_members(ALICE, channel(), member("alice", owner=True))
    may_change_members(SERVER, channel(), None)
    may_change_members(Caller("shop", "alice", server=True), channel(), member("alice"))


@pytest.mark.parametrize("row", [member("alice"), None])
def test_others_do_not(row: Member | None) -> None:
    with pytest.raises(PermissionDenied) as refusal:
        may_change_members(ALICE, channel(), row)
    assert refusal.value.reason == error_pb2.ERROR_REASON_NOT_ALLOWED


@pytest.mark.parametrize("caller", [ALICE, SERVER])
def test_nobody_changes_the_members_of_a_direct_channel(caller: Caller) -> None:
    with pytest.raises(FailedPrecondition) as refusal:
        may_change_members(caller, channel(kind=ChannelKind.DIRECT), member("alice"))
    assert refusal.value.reason == error_pb2.ERROR_REASON_DIRECT_CHANNEL_FIXED


def test_the_creator_of_a_group_owns_it_and_is_a_member_once() -> None:
    steps = first_steps(ChannelKind.GROUP, "alice", ["bob", "alice", "carol"], 9)
    assert [(s.user_id, s.role, s.action, s.join_time_ms) for s in steps] == [
        ("alice", MemberRole.OWNER, Action.JOIN, 9),
        ("bob", MemberRole.MEMBER, Action.JOIN, 9),
        ("carol", MemberRole.MEMBER, Action.JOIN, 9),
    ]


def test_nobody_owns_a_direct_channel_or_a_group_of_the_application() -> None:
    assert {s.role for s in first_steps(ChannelKind.DIRECT, "alice", ["bob"], 9)} == {MemberRole.MEMBER}
    of_application = first_steps(ChannelKind.GROUP, "", ["alice"], 9)
    assert [(s.user_id, s.role) for s in of_application] == [("alice", MemberRole.MEMBER)]


def test_adding_passes_over_members_and_takes_back_those_who_left() -> None:
    rows = {"bob": member("bob", owner=True), "carol": member("carol", state=MemberState.LEFT)}
    steps = joining_steps(["bob", "carol", "dave"], rows, 9)
    assert [(s.user_id, s.role, s.join_time_ms) for s in steps] == [
        ("carol", MemberRole.MEMBER, 9),
        ("dave", MemberRole.MEMBER, 9),
    ]


def test_ownership_goes_to_who_has_been_there_longest() -> None:
    members = [member("alice", owner=True), member("dave", joined_ms=30), member("bob", joined_ms=20)]
    heir = successor([*members, member("carol", joined_ms=20)], {"alice"})
    assert heir is not None
    assert heir.key.user_id == "bob"
    steps = leaving_steps([members[0]], heir)
    assert [(s.user_id, s.action, s.role, s.join_time_ms) for s in steps] == [
        ("alice", Action.LEAVE, MemberRole.MEMBER, 1_000),
        ("bob", Action.PROMOTE, MemberRole.OWNER, 20),
    ]


def test_nobody_inherits_while_an_owner_stays_or_when_nobody_does() -> None:
    owners = [member("alice", owner=True), member("bob", owner=True), member("carol")]
    assert successor(owners, {"alice"}) is None
    assert successor([member("alice", owner=True)], {"alice"}) is None


def test_the_count_follows_the_steps() -> None:
    steps = [step("a", Action.JOIN), step("b", Action.JOIN), step("c", Action.LEAVE), step("d", Action.PROMOTE)]
    assert count_after(channel(members=3), steps, 10) == 4


def test_a_channel_takes_no_more_than_its_limit_but_lets_people_go_above_it() -> None:
    assert count_after(channel(members=9), [step("a", Action.JOIN)], 10) == 10
    with pytest.raises(ResourceExhausted) as refusal:
        count_after(channel(members=10), [step("a", Action.JOIN)], 10)
    assert refusal.value.reason == error_pb2.ERROR_REASON_LIMIT_REACHED
    assert count_after(channel(members=20), [step("a", Action.LEAVE)], 10) == 19
