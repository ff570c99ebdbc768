"""Lists, page by page."""

import secrets

import pytest
from tertulia.chat.v1 import channel_pb2, event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.client import MAX_MESSAGE_BYTES
from libs.rpc.errors import TertuliaError
from services.channel.logs import Logs
from tests.integration.channel.parts import APPLICATION, Parts, reason
from tests.integration.channel.people import Cast, Person

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-lists")]


async def member_pages(person: Person, channel_id: str, size: int) -> list[list[str]]:
    pages = []
    token = ""
    while True:
        page = await person.members_page(channel_id, size, token)
        pages.append([member.user_id for member in page.members])
        token = page.next_page_token
        if not token:
            return pages


async def channel_pages(person: Person, size: int) -> list[list[str]]:
    pages = []
    token = ""
    while True:
        page = await person.channels_page(size, token)
        pages.append([mine.channel.channel_id for mine in page.channels])
        token = page.next_page_token
        if not token:
            return pages


async def test_members_come_in_order_of_their_ids_with_their_positions(cast: Cast, parts: Parts) -> None:
    carol, alice, bob = await cast.users("carol", "alice", "bob")
    channel = await carol.group(alice, bob)
    await parts.say(channel.log_id, "one", "two")
    await bob.read_to(channel.channel_id, 2)
    everybody = [alice.user_id, bob.user_id, carol.user_id]
    assert await member_pages(alice, channel.channel_id, 0) == [everybody]
    assert await member_pages(alice, channel.channel_id, 2) == [everybody[:2], everybody[2:]]
    assert await member_pages(alice, channel.channel_id, 2**31 - 1) == [everybody]
    members = await alice.members(channel.channel_id)
    assert [members[user_id].read_seq for user_id in everybody] == [1, 2, 1]
    assert all(abs(member.join_time_ms - channel.create_time_ms) < 60_000 for member in members.values())


async def test_my_channels_begin_with_the_latest_activity(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channels = [await alice.group(bob) for _ in range(4)]
    for index in (1, 3, 0, 2):
        await parts.say(channels[index].log_id, "hello")
    expected = [channels[index].channel_id for index in (2, 0, 3, 1)]
    assert await channel_pages(alice, 0) == [expected]
    assert [channel_id for page in await channel_pages(alice, 3) for channel_id in page] == expected
    assert [channel_id for page in await channel_pages(bob, 1) for channel_id in page] == expected


async def test_a_channel_shows_its_head_its_last_message_and_what_is_unread(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    mine = (await bob.channels())[channel.channel_id]
    assert (mine.head_seq, mine.head_message_count, mine.unread_count) == (1, 0, 0)
    assert not mine.HasField("last_message")
    await parts.say(channel.log_id, "one", "two", "three")
    await bob.read_to(channel.channel_id, 3)
    mine = (await bob.channels())[channel.channel_id]
    assert (mine.head_seq, mine.head_message_count) == (4, 3)
    assert (mine.read_seq, mine.read_message_count, mine.unread_count) == (3, 2, 1)
    assert (mine.last_message.seq, mine.last_message.message.text) == (4, "three")
    assert mine.channel == await bob.get(channel.channel_id)
    assert (await alice.channels())[channel.channel_id].unread_count == 3


async def test_unread_mentions_are_counted_but_not_those_by_people_whom_one_has_blocked(
    cast: Cast, parts: Parts
) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    one, two = await alice.group(bob, carol), await alice.group(bob)
    await parts.say(one.log_id, "hello", sender=alice.user_id, mentions=[bob.user_id, carol.user_id])
    await parts.say(one.log_id, "and", "again", sender=carol.user_id, mentions=[bob.user_id])
    await parts.say(one.log_id, "nobody", sender=carol.user_id)

    async def counts(person: Person) -> list[int]:
        listed = await person.channels()
        opened = {mine.channel.channel_id: mine.mention_count for mine in (await person.open_inbox()).channels}
        assert {channel_id: mine.mention_count for channel_id, mine in listed.items()} == opened
        assert all(mine.HasField("mention_count") for mine in listed.values())
        return [opened[channel.channel_id] for channel in (one, two)]

    assert await counts(bob) == [3, 0]
    await bob.block(carol)
    assert await counts(bob) == [1, 0]
    await bob.read_to(one.channel_id, 2)
    await bob.unblock(carol)
    assert await counts(bob) == [2, 0]
    await bob.read_to(one.channel_id, 5)
    assert await counts(bob) == [0, 0]


async def test_a_page_with_long_messages_is_short_and_the_next_goes_on(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channels = [await alice.group(bob) for _ in range(8)]
    for channel in channels:
        await parts.say(channel.log_id, "x" * 250_000)
    pages = await channel_pages(alice, 8)
    assert [len(page) for page in pages] == [4, 4]
    expected = [channel.channel_id for channel in reversed(channels)]
    assert [channel_id for page in pages for channel_id in page] == expected


async def test_heads_of_logs_that_end_with_the_longest_messages_are_answers_that_a_client_takes(parts: Parts) -> None:
    logs = Logs(parts.router)
    longest = event_pb2.Message(text="\N{SPEECH BALLOON}" * 10_000, custom_data="x" * 16_384)
    edited = event_pb2.MessageEdited(target_seq=1, message=longest)
    keys = [log_pb2.LogKey(application_id=APPLICATION, log_id=secrets.token_bytes(16)) for _ in range(160)]
    for key in keys:
        said = log_pb2.AppendItem(
            log=key,
            kind=log_pb2.EVENT_KIND_MESSAGE,
            client_id="said",
            content=event_pb2.Event(message=longest).SerializeToString(),
        )
        edit = log_pb2.AppendItem(
            log=key,
            kind=log_pb2.EVENT_KIND_EDIT,
            client_id="edited",
            target_seq=1,
            content=event_pb2.Event(message_edited=edited).SerializeToString(),
        )
        assert await logs.append([said, edit]) == [1, 2]

    heads = await logs.heads(keys, with_last_message=True)

    assert [head.seq for head in heads] == [2] * len(keys)
    assert sum(len(head.last_message) for head in heads) > MAX_MESSAGE_BYTES, "they would not go into one answer"


async def test_a_page_token_is_good_for_its_owner_and_list_only(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    one, two = await alice.group(bob), await alice.group(bob)
    members_token = (await alice.members_page(one.channel_id, 1)).next_page_token
    channels_token = (await alice.channels_page(1)).next_page_token
    assert members_token
    assert channels_token
    for attempt in (
        bob.members_page(one.channel_id, 1, members_token),
        alice.members_page(two.channel_id, 1, members_token),
        alice.members_page(one.channel_id, 1, channels_token),
        alice.channels_page(1, members_token),
        bob.channels_page(1, channels_token),
    ):
        with pytest.raises(TertuliaError) as refusal:
            await attempt
        assert reason(refusal.value) == "INVALID_ARGUMENT PAGE_TOKEN_INVALID"


async def test_nobody_without_channels_gets_an_empty_page(cast: Cast) -> None:
    assert await cast.named("nobody").channels_page() == channel_pb2.ListMyChannelsResponse()
