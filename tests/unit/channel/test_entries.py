"""The events of a change."""

from dataclasses import replace

import pytest
from tertulia.chat.v1 import event_pb2, role_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.directory.blocks import Block
from libs.directory.changes import Action, Change, ChangeKind
from libs.directory.keys import MemberKey
from libs.directory.members import MemberRole
from libs.directory.preferences import Preferences
from services.channel.entries import change_event, inbox_entries, preferences_entry
from tests.unit.channel.builders import change, channel, step

MOVES = change(
    step("bob", Action.JOIN),
    step("carol", Action.LEAVE),
    step("dave", Action.ROLE, MemberRole.OPERATOR),
    step("eve", Action.JOIN),
)


def test_the_channels_log_says_who_came_and_who_went() -> None:
    item = change_event(channel(), MOVES)
    assert (item.log.application_id, item.log.log_id) == ("shop", channel().log_id)
    assert (item.kind, item.sender_user_id, item.policy_version) == (log_pb2.EVENT_KIND_CONTROL, "alice", 5)
    said = event_pb2.Event.FromString(item.content).membership_change
    assert (said.policy_version, list(said.added_user_ids), list(said.removed_user_ids)) == (
        5,
        ["bob", "eve"],
        ["carol"],
    )


def test_everybody_who_comes_or_goes_finds_it_in_their_inbox() -> None:
    items = {item.log.log_id.decode().rstrip("."): item for item in inbox_entries(channel(), MOVES, 42)}
    assert set(items) == {"bob", "carol", "eve"}
    assert {item.policy_version for item in items.values()} == {0}
    joined = event_pb2.Event.FromString(items["bob"].content).channel_joined
    assert (joined.channel_id, joined.log_id, joined.joined_seq) == ("team", channel().log_id, 42)
    left = event_pb2.Event.FromString(items["carol"].content).channel_left
    assert (left.channel_id, left.log_id, left.left_seq) == ("team", channel().log_id, 42)


def test_a_change_that_was_kept_and_read_again_makes_the_same_bytes() -> None:
    kept = Change.from_json(MOVES.to_json())
    assert change_event(channel(), kept) == change_event(channel(), MOVES)
    assert list(inbox_entries(channel(), kept, 42)) == list(inbox_entries(channel(), MOVES, 42))


def test_a_retry_is_looked_for_from_where_the_logs_stood() -> None:
    assert change_event(channel(), MOVES).after_seq == 41
    assert {item.after_seq for item in inbox_entries(channel(), MOVES, 42)} == {7}


def test_no_message_can_take_the_id_of_a_change_to_come() -> None:
    ids = [change_event(channel(), change(version=version)).client_id for version in (1, 2, 2**53)]
    assert len(set(ids)) == 3
    assert all(len(client_id.encode()) > 64 for client_id in ids), "a client's own ids are at most 64 bytes"


def test_roles_that_are_given_are_said_on_the_log() -> None:
    owner = step("bob", Action.JOIN, MemberRole.OWNER)
    said = event_pb2.Event.FromString(change_event(channel(), change(owner, *MOVES.steps)).content).membership_change
    assert [(given.user_id, given.role) for given in said.role_changes] == [
        ("bob", role_pb2.MEMBER_ROLE_OWNER),
        ("dave", role_pb2.MEMBER_ROLE_OPERATOR),
    ]


@pytest.mark.parametrize("kind", ChangeKind)
def test_every_kind_of_change_says_its_version_and_is_the_same_bytes_when_it_was_kept(kind: ChangeKind) -> None:
    block = Block("shop", "alice", "bob", blocked=True, version=3) if kind is ChangeKind.BLOCK else None
    made = replace(change(kind=kind), block=block, old_name="The old name")
    item = change_event(channel(), made)
    event = event_pb2.Event.FromString(item.content)
    content = getattr(event, event.WhichOneof("content") or "")
    assert content.policy_version == item.policy_version == 5
    assert Change.from_json(made.to_json()) == made
    assert change_event(channel(), Change.from_json(made.to_json())) == item


def test_an_update_says_all_fields_and_a_block_none() -> None:
    update, block = (
        event_pb2.Event.FromString(change_event(channel(), change(kind=kind)).content).channel_changed
        for kind in (ChangeKind.FIELDS, ChangeKind.BLOCK)
    )
    assert update.fields == event_pb2.ChannelFields(name="The team")
    assert not block.HasField("fields")


def test_preferences_are_told_under_an_id_of_their_version() -> None:
    key = MemberKey("shop", "team", "bob")
    items = [preferences_entry(channel(), b"i" * 16, Preferences(key, version, muted=True)) for version in (1, 2)]
    assert len({item.client_id for item in items}) == 2
    assert all(len(item.client_id.encode()) <= 64 for item in items)
    said = event_pb2.Event.FromString(items[0].content).channel_preferences_changed
    assert (said.channel_id, said.log_id, said.preferences.version, said.preferences.muted) == (
        "team",
        channel().log_id,
        1,
        True,
    )
