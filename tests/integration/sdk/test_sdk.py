"""What the SDK promises, with the real services: some of what `tests/unit/sdk` holds against a fake one."""

import asyncio

import pytest
import tertulia

from tests.support.people import make_group, person
from tests.support.ports import until
from tests.support.stack import Stack
from tests.unit.sdk.reading import messages_until, next_event

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("sdk-stack")]


async def test_a_thousand_sends_at_once_keep_their_order(stack: Stack) -> None:
    await make_group(stack.address, "many", ["ann", "ben"])
    async with person(stack.address, "ann") as ann, person(stack.address, "ben") as ben:
        reading = asyncio.create_task(messages_until(ben, "999"))
        sent = await asyncio.gather(*(ann.send("many", str(n)) for n in range(1_000)))
        received = await reading
    assert [message.text for message in received] == [str(n) for n in range(1_000)]
    assert [message.seq for message in received] == [each.seq for each in sent]


@pytest.mark.parametrize("victim", ["gateway", "message_store", "channel"])
async def test_nothing_is_lost_or_doubled_while_a_service_dies(stack: Stack, victim: str) -> None:
    channel_id = f"while-{victim}-dies"
    await make_group(stack.address, channel_id, ["ann", "ben"])
    async with person(stack.address, "ann") as ann, person(stack.address, "ben") as ben, asyncio.timeout(60):
        reading = asyncio.create_task(messages_until(ben, "end", seconds=60))
        seqs = []
        for n in range(60):
            if n == 20:
                stack.kill(victim)
            seqs += [each.seq for each in await asyncio.gather(*(ann.send(channel_id, f"{n}.{i}") for i in range(5)))]
        last = await ann.send(channel_id, "end")
        received = await reading
    assert [message.seq for message in received] == [*seqs, last.seq]
    assert [message.text for message in received] == [f"{n}.{i}" for n in range(60) for i in range(5)] + ["end"]


async def test_a_channel_joined_while_connected_brings_what_is_said_from_then_on(stack: Stack) -> None:
    await make_group(stack.address, "later", ["ann"])
    async with person(stack.address, "ann") as ann, person(stack.address, "newcomer") as newcomer:
        await ann.send("later", "before")
        await ann.channels.add_members("later", ["newcomer"])
        await ann.send("later", "welcome")
        assert (await next_event(newcomer, tertulia.ChannelJoined)).channel_id == "later"
        assert [m.text for m in await messages_until(newcomer, "welcome")] == ["welcome"]
        await ann.channels.remove_members("later", ["newcomer"])
        assert (await next_event(newcomer, tertulia.ChannelLeft)).channel_id == "later"
        assert "later" not in newcomer.joined


async def test_typing_reads_and_presence_reach_the_others(stack: Stack) -> None:
    await make_group(stack.address, "lively", ["ann", "zoe"])
    async with person(stack.address, "ann") as ann:
        ann.watch(["zoe"])
        assert not (await next_event(ann, tertulia.PresenceChanged)).online
        async with person(stack.address, "zoe") as zoe:
            assert (await next_event(ann, tertulia.PresenceChanged)).online
            zoe.typing("lively")
            assert (await next_event(ann, tertulia.TypingChanged)).user_id == "zoe"
            sent = await ann.send("lively", "seen?")
            await messages_until(zoe, "seen?")
            zoe.mark_read("lively")
            assert zoe.joined["lively"].unread == 0
            read = await next_event(ann, tertulia.ReadChanged)
            assert (read.user_id, read.seq) == ("zoe", sent.seq)
        assert not (await next_event(ann, tertulia.PresenceChanged, seconds=30)).online


async def test_local_state_equals_what_the_server_says(stack: Stack) -> None:
    for channel_id in ("one", "two"):
        await make_group(stack.address, channel_id, ["dora", "ben"])
    async with person(stack.address, "dora") as dora, person(stack.address, "ben") as ben:
        for n in range(7):
            await ben.send("one", str(n))
        await ben.send("two", "last")
        await messages_until(dora, "last")
        dora.mark_read("one", dora.joined["one"].head_seq - 2)

        async def equal() -> bool:
            return {mine.channel.channel_id: mine async for mine in dora.channels.mine()} == dict(dora.joined)

        await until(equal, "the client's channels are those that the server lists")
        assert (dora.joined["one"].unread, dora.joined["two"].unread) == (2, 1)


async def test_history_is_read_from_either_end_in_pages(stack: Stack) -> None:
    await make_group(stack.address, "long", ["ann"])
    async with person(stack.address, "ann") as ann:
        await asyncio.gather(*(ann.send("long", str(n)) for n in range(450)))
        oldest = [int(m.text) async for m in ann.messages.oldest_first("long")]
        newest = [int(m.text) async for m in ann.messages.newest_first("long")]
        middle = (await ann.messages.around("long", 200, 10)).messages
    assert oldest == list(range(450))
    assert newest == oldest[::-1]
    assert [m.seq for m in middle] == sorted(m.seq for m in middle)
    assert 200 in [m.seq for m in middle]


async def test_a_message_with_a_wrong_field_is_refused_by_name(stack: Stack) -> None:
    await make_group(stack.address, "strict", ["ann"])
    async with person(stack.address, "ann") as ann:
        with pytest.raises(tertulia.InvalidArgument) as raised:
            await ann.send("strict", "x" * 10_001)
        assert raised.value.reason == "FIELD_INVALID"
        assert raised.value.field_violations[0].field.endswith("text")
        with pytest.raises(tertulia.NotFound) as missing:
            await ann.send("not-mine", "hi")
    assert missing.value.reason == "CHANNEL_NOT_FOUND"
