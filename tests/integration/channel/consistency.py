"""Holds what the directory says of a channel against what the logs say."""

from collections.abc import Iterable

from tertulia.chat.v1 import channel_pb2

from tests.integration.channel.parts import Parts
from tests.integration.channel.people import Cast, Person


async def assert_consistent(parts: Parts, cast: Cast, channel: channel_pb2.Channel, people: Iterable[Person]) -> int:
    """Versions follow each other on the log; its changes, the list of members, the count and every inbox say the same.

    Returns the version. No change may be under way.
    """
    members: set[str] = set()
    expected_inboxes: dict[str, list[tuple[str, int]]] = {person.user_id: [] for person in people}
    version = 0
    for event in await parts.events(channel.log_id):
        if not event.HasField("membership_change"):
            continue
        change = event.membership_change
        version += 1
        assert change.policy_version == version, f"version {change.policy_version} follows {version - 1}"
        added, removed = set(change.added_user_ids), set(change.removed_user_ids)
        assert added.isdisjoint(members), "somebody was added who was a member"
        assert removed <= members, "somebody was removed who was no member"
        members = (members | added) - removed
        for user_id in added:
            expected_inboxes[user_id].append(("joined", event.seq))
        for user_id in removed:
            expected_inboxes[user_id].append(("left", event.seq))
    now = await cast.server.get(channel.channel_id)
    assert (now.policy_version, now.member_count) == (version, len(members))
    assert set(await cast.server.members(channel.channel_id)) == members
    for person in people:
        assert await _inbox(person, channel) == expected_inboxes[person.user_id], f"the inbox of {person.user_id}"
        assert (channel.channel_id in await person.channels()) == (person.user_id in members)
    return version


async def _inbox(person: Person, channel: channel_pb2.Channel) -> list[tuple[str, int]]:
    entries = []
    for event in await person.inbox():
        if event.channel_joined.log_id == channel.log_id:
            entries.append(("joined", event.channel_joined.joined_seq))
        if event.channel_left.log_id == channel.log_id:
            entries.append(("left", event.channel_left.left_seq))
    return entries
