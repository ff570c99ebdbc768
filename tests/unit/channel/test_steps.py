"""What changes of members consist of."""

import pytest
from tertulia.chat.v1 import error_pb2

from libs.directory.changes import Action
from libs.directory.channels import ChannelKind
from libs.directory.members import MemberRole, MemberState
from libs.rpc.errors import ResourceExhausted
from services.channel.steps import count_after, first_steps, joining_steps, leaving_steps, successor
from tests.unit.channel.builders import channel, member, step


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
    rows = {"bob": member("bob", MemberRole.OWNER), "carol": member("carol", state=MemberState.LEFT)}
    steps = joining_steps(["bob", "carol", "dave"], rows, 9)
    assert [(s.user_id, s.role, s.join_time_ms) for s in steps] == [
        ("carol", MemberRole.MEMBER, 9),
        ("dave", MemberRole.MEMBER, 9),
    ]


def test_ownership_goes_to_who_has_been_there_longest() -> None:
    members = [member("alice", MemberRole.OWNER), member("dave", joined_ms=30), member("bob", joined_ms=20)]
    heir = successor([*members, member("carol", joined_ms=20)], {"alice"})
    assert heir is not None
    assert heir.key.user_id == "bob"
    steps = leaving_steps([members[0]], heir)
    assert [(s.user_id, s.action, s.role, s.join_time_ms) for s in steps] == [
        ("alice", Action.LEAVE, MemberRole.MEMBER, 1_000),
        ("bob", Action.ROLE, MemberRole.OWNER, 20),
    ]


def test_nobody_inherits_while_an_owner_stays_or_when_nobody_does() -> None:
    owners = [member("alice", MemberRole.OWNER), member("bob", MemberRole.OWNER), member("carol")]
    assert successor(owners, {"alice"}) is None
    assert successor([member("alice", MemberRole.OWNER)], {"alice"}) is None


def test_the_count_follows_the_steps() -> None:
    steps = [step("a", Action.JOIN), step("b", Action.JOIN), step("c", Action.LEAVE), step("d", Action.ROLE)]
    assert count_after(channel(members=3), steps, 10) == 4


def test_a_channel_takes_no_more_than_its_limit_but_lets_people_go_above_it() -> None:
    assert count_after(channel(members=9), [step("a", Action.JOIN)], 10) == 10
    with pytest.raises(ResourceExhausted) as refusal:
        count_after(channel(members=10), [step("a", Action.JOIN)], 10)
    assert refusal.value.reason == error_pb2.ERROR_REASON_LIMIT_REACHED
    assert count_after(channel(members=20), [step("a", Action.LEAVE)], 10) == 19


def test_operators_inherit_before_others() -> None:
    members = [member("alice", MemberRole.OWNER), member("bob"), member("zoe", MemberRole.OPERATOR, joined_ms=9_000)]
    heir = successor(members, {"alice"})
    assert heir is not None
    assert heir.key.user_id == "zoe"
