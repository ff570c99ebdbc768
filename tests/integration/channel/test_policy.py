"""Roles, updates, deletion: what the callers get, what the logs say, and what everybody may do from then on."""

import asyncio

import pytest
from tertulia.chat.v1 import channel_pb2, event_pb2, role_pb2

from libs.rpc.errors import NotFound, TertuliaError
from tests.integration.channel.parts import Parts, reason
from tests.integration.channel.people import BROADCAST, GROUP, Cast, Person, ids

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-policy")]

MEMBER = role_pb2.MEMBER_ROLE_MEMBER
OPERATOR = role_pb2.MEMBER_ROLE_OPERATOR
OWNER = role_pb2.MEMBER_ROLE_OWNER


async def newest(parts: Parts, channel: channel_pb2.Channel) -> event_pb2.Event:
    return (await parts.events(channel.log_id))[-1]


async def roles(person: Person, channel: channel_pb2.Channel) -> dict[str, int]:
    return {user_id: member.role for user_id, member in (await person.members(channel.channel_id)).items()}


async def test_a_role_is_given_by_an_owner_and_said_on_the_log(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    member = await alice.set_role(channel.channel_id, bob, OPERATOR)
    assert (member.user_id, member.role, member.read_seq) == (bob.user_id, OPERATOR, 1)
    event = await newest(parts, channel)
    assert event.membership_change == event_pb2.MembershipChange(
        policy_version=2, role_changes=[event_pb2.RoleChange(user_id=bob.user_id, role=OPERATOR)]
    )
    grant = await bob.authorize(channel.channel_id)
    assert (grant.role, grant.policy_version, grant.permissions.manage, grant.permissions.own) == (
        OPERATOR,
        2,
        True,
        False,
    )
    mine = (await bob.channels())[channel.channel_id]
    assert (mine.role, mine.permissions) == (OPERATOR, grant.permissions)
    assert await alice.set_role(channel.channel_id, bob, OPERATOR) == member, "giving it again changes nothing"
    assert (await newest(parts, channel)).seq == event.seq
    assert len(await bob.inbox()) == 1


async def test_the_first_event_says_who_owns_the_channel(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    change = (await newest(parts, channel)).membership_change
    assert list(change.role_changes) == [event_pb2.RoleChange(user_id=alice.user_id, role=OWNER)]


async def test_the_last_owner_stays_one_until_there_is_another(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    for somebody in (alice, cast.server):
        with pytest.raises(TertuliaError) as refusal:
            await somebody.set_role(channel.channel_id, alice, MEMBER)
        assert reason(refusal.value) == "FAILED_PRECONDITION LAST_OWNER"
    await alice.set_role(channel.channel_id, bob, OWNER)
    await alice.set_role(channel.channel_id, alice, MEMBER)
    assert await roles(alice, channel) == {alice.user_id: MEMBER, bob.user_id: OWNER}


async def test_when_the_last_owner_leaves_an_operator_becomes_one_before_others(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob, carol)
    await alice.set_role(channel.channel_id, carol, OPERATOR)
    await alice.leave(channel.channel_id)
    assert await roles(bob, channel) == {bob.user_id: MEMBER, carol.user_id: OWNER}
    change = (await newest(parts, channel)).membership_change
    assert list(change.removed_user_ids) == [alice.user_id]
    assert list(change.role_changes) == [event_pb2.RoleChange(user_id=carol.user_id, role=OWNER)]


async def test_operators_manage_but_remove_nobody_in_charge(cast: Cast) -> None:
    alice, bob, carol, dave = await cast.users("alice", "bob", "carol", "dave")
    channel = await alice.group(bob, carol)
    await alice.set_role(channel.channel_id, bob, OPERATOR)
    await bob.add(channel.channel_id, dave)
    await bob.remove(channel.channel_id, carol)
    assert (await bob.update(channel.channel_id, name="Bob's")).name == "Bob's"
    with pytest.raises(TertuliaError) as refusal:
        await bob.remove(channel.channel_id, dave, alice)
    assert reason(refusal.value) == "PERMISSION_DENIED NOT_ALLOWED"
    assert set(await bob.members(channel.channel_id)) == {alice.user_id, bob.user_id, dave.user_id}


async def test_an_update_sets_what_the_mask_names_and_says_all_on_the_log(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.create(
        channel_pb2.CreateChannelRequest(
            kind=GROUP, name="The team", custom_data="{}", slow_mode_seconds=5, member_user_ids=ids([bob])
        )
    )
    changed = await alice.update(
        channel.channel_id, name="Team", cover_url="https://example.org/c.png", mask=["name", "cover_url"]
    )
    fields = event_pb2.ChannelFields(
        name="Team", cover_url="https://example.org/c.png", custom_data="{}", slow_mode_seconds=5
    )
    assert (
        changed.name,
        changed.cover_url,
        changed.custom_data,
        changed.slow_mode_seconds,
        changed.policy_version,
    ) == (
        "Team",
        "https://example.org/c.png",
        "{}",
        5,
        2,
    )
    assert changed == await bob.get(channel.channel_id)
    said = await newest(parts, channel)
    assert said.sender_user_id == alice.user_id
    assert said.channel_changed == event_pb2.ChannelChanged(policy_version=2, fields=fields)
    emptied = await alice.update(channel.channel_id, mask=["name", "custom_data"])
    assert (emptied.name, emptied.custom_data, emptied.cover_url) == ("", "", "https://example.org/c.png")


async def test_an_update_that_changes_nothing_is_no_event(cast: Cast, parts: Parts) -> None:
    [alice] = await cast.users("alice")
    channel = await alice.group(name="The team")
    assert await alice.update(channel.channel_id, name="The team") == channel
    assert len(await parts.events(channel.log_id)) == 1


async def test_with_an_etag_an_update_is_done_only_if_nobody_was_first(cast: Cast) -> None:
    [alice] = await cast.users("alice")
    channel = await alice.group(name="One")
    await alice.add(channel.channel_id, (await cast.users("bob"))[0])  # no field of the etag's
    second = await alice.update(channel.channel_id, etag=channel.etag, name="Two")
    assert second.etag != channel.etag
    with pytest.raises(TertuliaError) as refusal:
        await alice.update(channel.channel_id, etag=channel.etag, name="Three")
    assert reason(refusal.value) == "ABORTED ETAG_MISMATCH"
    assert await alice.update(channel.channel_id, etag=channel.etag, name="Two") == second, (
        "the retry of one that was done"
    )
    assert (await alice.update(channel.channel_id, name="One")).etag == channel.etag


async def test_of_updates_at_once_with_one_etag_exactly_one_is_done(cast: Cast) -> None:
    [alice] = await cast.users("alice")
    channel = await alice.group(name="One")
    outcomes = await asyncio.gather(
        *(alice.update(channel.channel_id, etag=channel.etag, name=f"Name {number}") for number in range(5)),
        return_exceptions=True,
    )
    done = [outcome for outcome in outcomes if isinstance(outcome, channel_pb2.Channel)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, TertuliaError)]
    assert len(done) == 1
    assert [reason(refusal) for refusal in refused] == ["ABORTED ETAG_MISMATCH"] * 4
    assert (await alice.get(channel.channel_id)) == done[0]


async def test_slow_mode_is_for_those_who_do_not_moderate(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    await alice.update(channel.channel_id, slow_mode_seconds=30)
    waits = [(await person.authorize(channel.channel_id)).slow_mode_ms for person in (bob, alice, cast.server)]
    assert waits == [30_000, 0, 0]
    await alice.set_role(channel.channel_id, bob, OPERATOR)
    assert (await bob.authorize(channel.channel_id)).slow_mode_ms == 0


async def test_in_a_broadcast_channel_only_those_in_charge_write(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await cast.open_channel("news", alice, bob, kind=BROADCAST)
    assert channel.kind == BROADCAST
    assert (await alice.authorize(channel.channel_id)).permissions.send
    permissions = (await bob.authorize(channel.channel_id)).permissions
    assert permissions == channel_pb2.ChannelPermissions(react=True)
    assert (await bob.channels())[channel.channel_id].permissions == permissions
    assert (await cast.server.authorize(channel.channel_id)).permissions.send


async def test_a_deleted_channel_is_gone_for_everybody_and_its_log_ends(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel, other = await alice.group(bob), await alice.group(bob)
    await parts.say(channel.log_id, "one")
    await alice.delete(channel.channel_id)
    event = await newest(parts, channel)
    assert (event.seq, event.sender_user_id) == (3, alice.user_id)
    assert event.channel_deleted == event_pb2.ChannelDeleted(policy_version=2)
    for person in (alice, bob, carol, cast.server):
        for attempt in (
            person.get(channel.channel_id),
            person.members(channel.channel_id),
            person.authorize(channel.channel_id),
            person.add(channel.channel_id, carol),
            person.update(channel.channel_id, name="x"),
            person.delete(channel.channel_id),
        ):
            with pytest.raises(NotFound) as refusal:
                await attempt
            assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"
    for person in (alice, bob):
        assert set(await person.channels()) == {other.channel_id}
        for verb in (person.leave(channel.channel_id), person.join(channel.channel_id)):
            with pytest.raises(NotFound):
                await verb
        assert len(await person.inbox()) == 2, "nothing is said in the inbox"


async def test_the_id_of_a_deleted_channel_is_never_given_again(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob, request_id="r1")
    await alice.delete(channel.channel_id)
    with pytest.raises(TertuliaError) as refusal:
        await alice.group(bob, request_id="r1")
    assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"
    for somebody in (cast.server, cast.named("alice", server=True)):
        with pytest.raises(TertuliaError) as refusal:
            await somebody.create(channel_pb2.CreateChannelRequest(kind=GROUP, channel_id=channel.channel_id))
        assert reason(refusal.value) == "ALREADY_EXISTS CHANNEL_EXISTS"


async def test_a_server_key_deletes_what_nobody_owns(cast: Cast) -> None:
    channel = await cast.server.create(channel_pb2.CreateChannelRequest(kind=GROUP, channel_id=cast.channel_id("x")))
    await cast.server.delete(channel.channel_id)
    with pytest.raises(NotFound):
        await cast.server.get(channel.channel_id)
