"""Who may do what."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tertulia.chat.v1 import error_pb2

from libs.directory.changes import Action
from libs.directory.channels import Channel, ChannelKind
from libs.directory.members import Member, MemberRole, MemberState
from libs.rpc.caller import Caller
from libs.rpc.errors import FailedPrecondition, FieldsInvalid, PermissionDenied
from services.channel.rules import (
    Permissions,
    acting_user,
    as_changed,
    is_member,
    may_manage,
    may_own,
    may_remove,
    permissions_of,
)
from tests.unit.channel.builders import change, channel, member, step

ALICE = Caller("shop", "alice", server=False)
SERVER = Caller("shop", "", server=True)


def test_a_member_is_one_from_the_row_on_until_it_says_that_they_left() -> None:
    assert is_member(channel(), member("alice"))
    assert not is_member(channel(), member("alice", state=MemberState.LEFT))
    assert not is_member(channel(), None)


def test_who_is_being_removed_is_out_before_the_removal_is_done() -> None:
    removing_bob = channel(pending=change(step("bob", Action.LEAVE), step("carol", Action.ROLE)))
    assert not is_member(removing_bob, member("bob"))
    assert is_member(removing_bob, member("carol"))
    assert is_member(removing_bob, member("alice"))


def test_who_is_being_added_is_not_in_before_the_row_is_written() -> None:
    adding_bob = channel(pending=change(step("bob", Action.JOIN)))
    assert not is_member(adding_bob, None)
    assert not is_member(adding_bob, member("bob", state=MemberState.LEFT))


def test_a_role_is_what_the_change_under_way_makes_it() -> None:
    demoting_bob = channel(pending=change(step("bob", Action.ROLE, MemberRole.MEMBER)))
    operator = member("bob", MemberRole.OPERATOR)
    assert as_changed(demoting_bob, operator).role is MemberRole.MEMBER
    assert as_changed(demoting_bob, member("alice", MemberRole.OWNER)).role is MemberRole.OWNER
    assert as_changed(channel(), operator) == operator
    promoted_since = replace(operator, version=6)
    assert as_changed(demoting_bob, promoted_since) == promoted_since


def test_calls_for_a_user_need_one() -> None:
    assert acting_user(ALICE) == "alice"
    with pytest.raises(FieldsInvalid, match="tertulia-user"):
        acting_user(SERVER)


OWNER, OPERATOR, PLAIN = (member("alice", role) for role in (MemberRole.OWNER, MemberRole.OPERATOR, MemberRole.MEMBER))
NOTHING = Permissions(send=False, react=False, moderate=False, manage=False, own=False)
TALK = replace(NOTHING, send=True, react=True)
RUN = replace(TALK, moderate=True, manage=True)
ALL = replace(RUN, own=True)


@pytest.mark.parametrize(
    ("kind", "row", "expected"),
    [
        (ChannelKind.GROUP, OWNER, ALL),
        (ChannelKind.GROUP, OPERATOR, RUN),
        (ChannelKind.GROUP, PLAIN, TALK),
        (ChannelKind.OPEN, OWNER, ALL),
        (ChannelKind.OPEN, PLAIN, TALK),
        (ChannelKind.BROADCAST, OWNER, ALL),
        (ChannelKind.BROADCAST, OPERATOR, RUN),
        (ChannelKind.BROADCAST, PLAIN, replace(NOTHING, react=True)),
        (ChannelKind.DIRECT, PLAIN, TALK),
        (ChannelKind.DIRECT, None, ALL),
        (ChannelKind.BROADCAST, None, ALL),
    ],
)
def test_role_and_kind_say_what_somebody_may_do(kind: ChannelKind, row: Member | None, expected: Permissions) -> None:
    assert permissions_of(channel(kind=kind), row) == expected


def test_a_block_silences_both_in_a_direct_channel() -> None:
    blocked = replace(channel(kind=ChannelKind.DIRECT), blocked_by=("bob",))
    assert permissions_of(blocked, PLAIN) == NOTHING
    assert permissions_of(blocked, member("bob")) == NOTHING


def test_nobody_is_a_member_of_a_deleted_channel() -> None:
    assert not is_member(replace(channel(), deleted=True), member("alice"))


def test_owners_operators_and_server_keys_manage_a_channel() -> None:
    may_manage(ALICE, channel(), OWNER)
    may_manage(ALICE, channel(), OPERATOR)
    may_manage(SERVER, channel(), None)
    may_manage(Caller("shop", "alice", server=True), channel(), PLAIN)
    with pytest.raises(PermissionDenied) as refusal:
        may_manage(ALICE, channel(), PLAIN)
    assert refusal.value.reason == error_pb2.ERROR_REASON_NOT_ALLOWED


def test_owners_and_server_keys_own_a_channel() -> None:
    may_own(ALICE, channel(), OWNER)
    may_own(SERVER, channel(), None)
    for row in (OPERATOR, PLAIN):
        with pytest.raises(PermissionDenied) as refusal:
            may_own(ALICE, channel(), row)
        assert refusal.value.reason == error_pb2.ERROR_REASON_NOT_ALLOWED


@pytest.mark.parametrize("removed", [MemberRole.OWNER, MemberRole.OPERATOR])
def test_who_is_in_charge_is_removed_by_owners_and_server_keys_only(removed: MemberRole) -> None:
    may_remove(ALICE, channel(), OWNER, member("bob", removed))
    may_remove(SERVER, channel(), None, member("bob", removed))
    may_remove(ALICE, channel(), OPERATOR, member("bob"))
    with pytest.raises(PermissionDenied) as refusal:
        may_remove(ALICE, channel(), OPERATOR, member("bob", removed))
    assert refusal.value.reason == error_pb2.ERROR_REASON_NOT_ALLOWED


@pytest.mark.parametrize("rule", [may_manage, may_own])
@pytest.mark.parametrize("caller", [ALICE, SERVER])
def test_nobody_changes_a_direct_channel(
    rule: Callable[[Caller, Channel, Member | None], None], caller: Caller
) -> None:
    with pytest.raises(FailedPrecondition) as refusal:
        rule(caller, channel(kind=ChannelKind.DIRECT), PLAIN)
    assert refusal.value.reason == error_pb2.ERROR_REASON_DIRECT_CHANNEL_FIXED
