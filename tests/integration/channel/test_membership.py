"""Making channels, coming and going: what the callers get, and what the logs say."""

import asyncio

import pytest
from tertulia.chat.v1 import channel_pb2, event_pb2, role_pb2

from libs.rpc.errors import TertuliaError
from tests.integration.channel.parts import Parts, reason
from tests.integration.channel.people import DIRECT, GROUP, Cast, Person, ids

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-membership")]

OWNER = role_pb2.MEMBER_ROLE_OWNER
MEMBER = role_pb2.MEMBER_ROLE_MEMBER


async def changes(parts: Parts, channel: channel_pb2.Channel) -> list[tuple[int, set[str], set[str]]]:
    """What the channel's log says of its membership: version, added, removed."""
    events = await parts.events(channel.log_id)
    found = [event.membership_change for event in events if event.HasField("membership_change")]
    return [(c.policy_version, set(c.added_user_ids), set(c.removed_user_ids)) for c in found]


async def roles(person: Person, channel_id: str) -> dict[str, int]:
    return {user_id: member.role for user_id, member in (await person.members(channel_id)).items()}


async def test_a_group_begins_with_its_creator_as_owner_and_all_are_told(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob, carol, name="The team")
    assert (channel.kind, channel.name, channel.creator_user_id) == (GROUP, "The team", alice.user_id)
    assert (channel.member_count, channel.policy_version, len(channel.log_id)) == (3, 1, 16)
    assert await roles(bob, channel.channel_id) == {alice.user_id: OWNER, bob.user_id: MEMBER, carol.user_id: MEMBER}
    [event] = await parts.events(channel.log_id)
    assert (event.seq, event.sender_user_id) == (1, alice.user_id)
    assert await changes(parts, channel) == [(1, {alice.user_id, bob.user_id, carol.user_id}, set())]
    for person in (alice, bob, carol):
        [entry] = await person.inbox()
        assert entry.channel_joined == event_pb2.ChannelJoined(
            channel_id=channel.channel_id, log_id=channel.log_id, joined_seq=1
        )


async def test_the_same_request_makes_a_group_once_and_no_request_id_makes_another(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    made = await asyncio.gather(*(alice.group(bob, request_id="r1") for _ in range(5)))
    assert len({channel.log_id for channel in made}) == 1
    assert len(await alice.inbox()) == 1
    others = [await alice.group(bob, request_id="r2"), await bob.group(alice, request_id="r1"), await alice.group(bob)]
    assert len({channel.channel_id for channel in [made[0], *others]}) == 4


async def test_a_direct_channel_is_the_same_whoever_opens_it(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    made = await asyncio.gather(alice.direct(bob), bob.direct(alice), alice.direct(bob))
    assert len({channel.log_id for channel in made}) == 1
    assert (made[0].kind, made[0].name, made[0].member_count) == (DIRECT, "", 2)
    assert await roles(alice, made[0].channel_id) == {alice.user_id: MEMBER, bob.user_id: MEMBER}
    assert len(await changes(parts, made[0])) == 1
    assert (await alice.channels())[made[0].channel_id].peer_user_id == bob.user_id
    assert (await bob.channels())[made[0].channel_id].peer_user_id == alice.user_id


async def test_a_server_key_chooses_ids_and_makes_channels_with_nobody_in_charge(cast: Cast, parts: Parts) -> None:
    [alice] = await cast.users("alice")
    request = channel_pb2.CreateChannelRequest(
        channel_id=cast.channel_id("news"), kind=GROUP, member_user_ids=[alice.user_id]
    )
    channel = await cast.server.create(request)
    assert (channel.channel_id, channel.creator_user_id, channel.member_count) == (request.channel_id, "", 1)
    assert await roles(cast.server, channel.channel_id) == {alice.user_id: MEMBER}
    assert await cast.server.create(request) == channel, "a repeated create answers with the channel as it is"
    empty = await cast.server.create(channel_pb2.CreateChannelRequest(channel_id=cast.channel_id("empty"), kind=GROUP))
    assert (empty.member_count, empty.policy_version) == (0, 1)
    assert await changes(parts, empty) == [(1, set(), set())]


async def test_a_server_key_acting_for_a_user_makes_that_user_the_owner(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    acting = cast.named("alice", server=True)
    channel = await acting.create(
        channel_pb2.CreateChannelRequest(
            channel_id=cast.channel_id("team"), kind=GROUP, member_user_ids=[alice.user_id, bob.user_id]
        )
    )
    assert channel.creator_user_id == alice.user_id
    assert await roles(bob, channel.channel_id) == {alice.user_id: OWNER, bob.user_id: MEMBER}


async def test_people_added_are_told_and_those_who_were_there_stay_what_they_are(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob)
    await parts.say(channel.log_id, "one", "two")
    changed = await alice.add(channel.channel_id, bob, carol, alice)
    assert (changed.member_count, changed.policy_version) == (3, 2)
    assert await changes(parts, channel) == [(1, {alice.user_id, bob.user_id}, set()), (2, {carol.user_id}, set())]
    [entry] = await carol.inbox()
    assert entry.channel_joined.joined_seq == 4
    assert len(await bob.inbox()) == 1
    assert (await roles(carol, channel.channel_id))[alice.user_id] == OWNER
    assert await alice.add(channel.channel_id, carol) == changed, "adding a member again changes nothing"


async def test_people_removed_are_told_where_it_ended_and_can_come_back(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob)
    changed = await alice.remove(channel.channel_id, bob, carol)
    assert (changed.member_count, changed.policy_version) == (1, 2)
    joined, left = await bob.inbox()
    assert joined.channel_joined.joined_seq == 1
    assert left.channel_left == event_pb2.ChannelLeft(channel_id=channel.channel_id, log_id=channel.log_id, left_seq=2)
    assert await carol.inbox() == []
    assert await bob.channels() == {}
    assert await alice.remove(channel.channel_id, bob) == changed, "removing somebody again changes nothing"
    assert (await alice.add(channel.channel_id, bob)).policy_version == 3
    assert [version for version, _, _ in await changes(parts, channel)] == [1, 2, 3]
    assert len(await bob.inbox()) == 3
    assert channel.channel_id in await bob.channels()


async def test_who_leaves_is_out_and_leaving_again_finds_nothing(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    await bob.leave(channel.channel_id)
    assert await changes(parts, channel) == [(1, {alice.user_id, bob.user_id}, set()), (2, set(), {bob.user_id})]
    with pytest.raises(TertuliaError) as refusal:
        await bob.leave(channel.channel_id)
    assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"


async def test_ownership_passes_on_when_the_last_owner_goes(cast: Cast) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob)
    await alice.add(channel.channel_id, carol)
    await alice.leave(channel.channel_id)
    assert await roles(carol, channel.channel_id) == {bob.user_id: OWNER, carol.user_id: MEMBER}
    await bob.remove(channel.channel_id, bob)
    assert await roles(carol, channel.channel_id) == {carol.user_id: OWNER}
    await carol.leave(channel.channel_id)
    assert (await cast.server.get(channel.channel_id)).member_count == 0


async def test_a_creator_who_left_does_not_learn_of_the_channel_by_creating_it_again(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob, request_id="r1")
    await alice.leave(channel.channel_id)
    with pytest.raises(TertuliaError) as refusal:
        await alice.group(bob, request_id="r1")
    assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"


async def test_changes_at_once_are_made_one_after_the_other(cast: Cast, parts: Parts) -> None:
    alice, *others = await cast.users("alice", "bob", "carol", "dave", "eve")
    channel = await alice.group()
    await asyncio.gather(*(alice.add(channel.channel_id, other) for other in others))
    await asyncio.gather(
        *(other.leave(channel.channel_id) for other in others), alice.add(channel.channel_id, *others[:1])
    )
    found = await changes(parts, channel)
    assert [version for version, _, _ in found] == list(range(1, len(found) + 1))
    members: set[str] = set()
    for _, added, removed in found:
        assert added.isdisjoint(members)
        assert removed <= members | added
        members = (members | added) - removed
    assert set(await alice.members(channel.channel_id)) == members
    assert (await alice.get(channel.channel_id)).member_count == len(members)


async def test_a_message_cannot_take_the_place_of_a_change(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    await parts.say(channel.log_id, "2", sender=alice.user_id)
    [event] = (await parts.events(channel.log_id))[-1:]
    assert len(event.client_id) <= 64
    assert (await alice.remove(channel.channel_id, bob)).policy_version == 2


async def test_limits_of_a_channel_count_everybody(cast: Cast) -> None:
    alice, *others = await cast.users("alice", "b", "c", "d", "e", "f")
    channel = await alice.group(*others[:3])
    with pytest.raises(TertuliaError) as refusal:
        await alice.add(channel.channel_id, *others[3:])
    assert reason(refusal.value) == "RESOURCE_EXHAUSTED LIMIT_REACHED"
    assert (await alice.add(channel.channel_id, others[3])).member_count == 5
    with pytest.raises(TertuliaError) as refusal:
        await alice.group(*others)
    assert reason(refusal.value) == "RESOURCE_EXHAUSTED LIMIT_REACHED"
    assert set(await alice.channels()) == {channel.channel_id}
    assert ids([alice])[0] in await alice.members(channel.channel_id)
