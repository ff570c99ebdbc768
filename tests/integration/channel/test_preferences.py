"""Muted, pinned, hidden, marked unread: in the lists, and in the inbox."""

import asyncio

import pytest
from tertulia.chat.v1 import channel_pb2, event_pb2

from libs.rpc.errors import TertuliaError, Unavailable
from tests.integration.channel.parts import Parts, only_the, reason, refuse
from tests.integration.channel.people import Cast, Person

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-preferences")]


async def heard(person: Person) -> list[event_pb2.ChannelPreferences]:
    """What the inbox says of preferences."""
    return [
        event.channel_preferences_changed.preferences
        for event in await person.inbox()
        if event.HasField("channel_preferences_changed")
    ]


async def listed(person: Person, *, hidden: bool = False) -> list[str]:
    return [mine.channel.channel_id for mine in (await person.channels_page(hidden=hidden)).channels]


async def test_what_is_set_stays_and_the_inbox_tells_all_devices(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    first = await bob.prefer(channel.channel_id, muted=True, marked_unread=True)
    assert first == event_pb2.ChannelPreferences(version=1, muted=True, marked_unread=True)
    second = await bob.prefer(channel.channel_id, marked_unread=False)
    assert second == event_pb2.ChannelPreferences(version=2, muted=True)
    assert await heard(bob) == [first, second]
    entry = (await bob.inbox())[-1]
    assert entry.channel_preferences_changed.channel_id == channel.channel_id
    assert entry.channel_preferences_changed.log_id == channel.log_id
    assert (await bob.channels())[channel.channel_id].preferences == second
    assert not (await alice.channels())[channel.channel_id].preferences.muted
    assert await bob.prefer(channel.channel_id, muted=True) == second, "what is so already changes nothing"
    assert len(await heard(bob)) == 2


async def test_what_was_never_set_and_is_set_to_that_is_no_change(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    assert await bob.prefer(channel.channel_id, muted=False) == event_pb2.ChannelPreferences()
    assert await heard(bob) == []


@pytest.mark.parametrize("lost", ["before", "after"])
async def test_a_change_whose_entry_was_lost_is_completed_by_its_retry(cast: Cast, parts: Parts, lost: str) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    setattr(parts.link, lost, only_the(1, refuse))
    with pytest.raises(Unavailable) as failure:
        await bob.prefer(channel.channel_id, muted=True)
    assert reason(failure.value) == "UNAVAILABLE OUTCOME_UNKNOWN"
    wanted = event_pb2.ChannelPreferences(version=1, muted=True)
    assert await bob.prefer(channel.channel_id, muted=True) == wanted
    assert await heard(bob) == [wanted]


async def test_changes_at_once_are_all_made(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    await asyncio.gather(
        bob.prefer(channel.channel_id, muted=True),
        bob.prefer(channel.channel_id, pinned=True),
        bob.prefer(channel.channel_id, marked_unread=True),
    )
    expected = event_pb2.ChannelPreferences(version=3, muted=True, pinned=True, marked_unread=True)
    assert (await bob.channels())[channel.channel_id].preferences == expected
    assert sorted(said.version for said in await heard(bob)) == [1, 2, 3]


async def test_pinned_channels_come_first(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    one, two, three = [await alice.group(bob) for _ in range(3)]
    await bob.prefer(one.channel_id, pinned=True)
    await bob.prefer(two.channel_id, pinned=True)
    await parts.say(one.log_id, "now the newest of the pinned")
    expected = [one.channel_id, two.channel_id, three.channel_id]
    assert await listed(bob) == expected
    pages = [await bob.channels_page(1)]
    while pages[-1].next_page_token:
        pages.append(await bob.channels_page(1, pages[-1].next_page_token))
    assert [mine.channel.channel_id for page in pages for mine in page.channels] == expected
    assert [mine.channel.channel_id for mine in (await bob.open_inbox()).channels] == expected
    assert (await listed(alice))[0] == one.channel_id


async def test_a_hidden_channel_is_not_listed_until_the_next_message(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel, other = await alice.group(bob), await alice.group(bob)
    await parts.say(channel.log_id, "one")
    hidden = await bob.prefer(channel.channel_id, hidden=True)
    assert (hidden.hidden, hidden.hidden_message_count) == (True, 1)
    await alice.add(channel.channel_id, carol)  # an event, and no message
    assert await listed(bob) == [other.channel_id]
    assert set(await listed(bob, hidden=True)) == {channel.channel_id, other.channel_id}
    assert channel.channel_id in await listed(alice)
    await parts.say(channel.log_id, "two")
    assert channel.channel_id in await listed(bob)
    assert (await bob.prefer(channel.channel_id, hidden=True)).hidden_message_count == 2
    assert await listed(bob) == [other.channel_id]
    shown = await bob.prefer(channel.channel_id, hidden=False)
    assert (shown.hidden, shown.hidden_message_count) == (False, 0)
    assert channel.channel_id in await listed(bob)


async def test_a_hundred_channels_are_pinned_at_most(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channels = [await alice.group(bob) for _ in range(101)]
    for channel in channels[:100]:
        await bob.prefer(channel.channel_id, pinned=True)
    with pytest.raises(TertuliaError) as refusal:
        await bob.prefer(channels[100].channel_id, pinned=True)
    assert reason(refusal.value) == "RESOURCE_EXHAUSTED LIMIT_REACHED"
    await bob.prefer(channels[0].channel_id, muted=True)
    await bob.leave(channels[0].channel_id)
    assert (await bob.prefer(channels[100].channel_id, pinned=True)).pinned, "what was left does not count"


async def test_nobody_outside_prefers_anything(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group()
    for somebody in (bob, cast.named("bob", server=True)):
        with pytest.raises(TertuliaError) as refusal:
            await somebody.prefer(channel.channel_id, muted=True)
        assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"
    with pytest.raises(TertuliaError) as refusal:
        await cast.server.prefer(channel.channel_id, muted=True)
    assert reason(refusal.value) == "INVALID_ARGUMENT FIELD_INVALID"
    assert channel_pb2.ListMyChannelsResponse() == await bob.channels_page()
