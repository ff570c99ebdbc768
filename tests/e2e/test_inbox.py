"""One's own view of channels: preferences on several devices, mentions, and what has reached and was read by whom."""

import pytest
import tertulia

from tests.e2e.waiting import next_of
from tests.support.people import make_group, person, together
from tests.support.ports import until
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_preferences_are_the_same_on_two_devices_and_survive_both(stack: Stack) -> None:
    for channel_id in ("first", "second"):
        await make_group(stack.address, channel_id, ["erik", "faye"])
    async with together(stack.address, "erik", "erik", "faye") as (phone, desk, faye):
        await faye.send("first", "one")
        await faye.send("second", "two")
        await phone.channels.set_preferences("first", pinned=True, muted=True)
        told = await next_of(desk, tertulia.PreferencesChanged)
        assert (told.channel_id, told.preferences.pinned, told.preferences.muted) == ("first", True, True)
        assert [mine.channel.channel_id async for mine in desk.channels.mine()] == ["first", "second"]
        await desk.channels.set_preferences("second", hidden=True)
        await next_of(phone, tertulia.PreferencesChanged)
        await until(lambda: phone.joined["second"].hidden, "hidden on the other device, too")
        assert [mine.channel.channel_id async for mine in phone.channels.mine()] == ["first"]
        hidden = [mine.channel.channel_id async for mine in phone.channels.mine(include_hidden=True)]
        assert sorted(hidden) == ["first", "second"]
        await faye.send("second", "three")
        await next_of(phone, tertulia.MessageReceived, lambda event: event.message.text == "three")
        await until(lambda: not phone.joined["second"].hidden, "hidden until the next message")
        await phone.channels.set_preferences("second", marked_unread=True)
        await next_of(desk, tertulia.PreferencesChanged, lambda event: event.preferences.marked_unread)
    async with person(stack.address, "erik") as tablet:
        assert tablet.joined["first"].preferences.pinned
        assert tablet.joined["second"].preferences.marked_unread
        assert not tablet.joined["second"].hidden


async def test_what_has_reached_and_was_read_by_whom_is_told_to_the_others(stack: Stack) -> None:
    await make_group(stack.address, "mailroom", ["gabi", "hugh"])
    async with together(stack.address, "gabi") as (gabi,):
        sent = await gabi.send("mailroom", "for you")
        async with together(stack.address, "hugh") as (hugh,):
            delivered = await next_of(gabi, tertulia.DeliveredChanged, lambda event: event.user_id == "hugh")
            assert (delivered.channel_id, delivered.seq) == ("mailroom", sent.seq)
            members = {member.user_id: member async for member in gabi.channels.members("mailroom")}
            assert members["hugh"].delivered_seq == sent.seq
            assert members["hugh"].read_seq < sent.seq
            hugh.mark_read("mailroom")
            read = await next_of(gabi, tertulia.ReadChanged, lambda event: event.user_id == "hugh")
            assert read.seq == sent.seq
            with pytest.raises(tertulia.InvalidArgument) as refused:
                await hugh.channels.mark_read("mailroom", sent.seq + 1_000)
            assert refused.value.reason == "POSITION_ABOVE_HEAD"
            hugh.mark_read("mailroom", sent.seq + 1_000)
            told = await next_of(hugh, tertulia.SignalRefused)
            assert told.error.reason == "POSITION_ABOVE_HEAD"


async def test_mentions_are_counted_until_they_are_read_deleted_or_edited_away(stack: Stack) -> None:
    await make_group(stack.address, "square", ["ivan", "jana"])
    async with together(stack.address, "ivan", "jana") as (ivan, jana):
        one, two = [await ivan.send("square", "jana!", mentions=["jana"]) for _ in range(2)]
        three = await ivan.send("square", "anybody?")
        await until(lambda: jana.joined["square"].mention_count == 2, "two mentions")
        await ivan.delete("square", one.seq)
        await until(lambda: jana.joined["square"].mention_count == 1, "one was deleted")
        await ivan.edit("square", two.seq, "nobody")
        await until(lambda: jana.joined["square"].mention_count == 0, "one was edited away")
        await ivan.edit("square", three.seq, "jana?", mentions=["jana"])
        await until(lambda: jana.joined["square"].mention_count == 1, "one was edited in")
        async with person(stack.address, "jana") as fresh:
            assert fresh.joined["square"].mention_count == 1
        jana.mark_read("square")
        assert jana.joined["square"].mention_count == 0


async def test_what_a_client_knows_is_what_a_fresh_one_is_told(stack: Stack) -> None:
    """Everything that happens in an evening, then the live state against the listed one."""
    for channel_id in ("hall", "attic"):
        await make_group(stack.address, channel_id, ["kira", "luis"])
    async with together(stack.address, "kira", "luis") as (kira, luis):
        for channel_id in ("hall", "attic"):
            sent = [await luis.send(channel_id, f"message {n}", mentions=["kira"] * (n % 2)) for n in range(6)]
            await luis.edit(channel_id, sent[5].seq, "edited", mentions=["kira"])
            await luis.delete(channel_id, sent[3].seq)
            await luis.react(channel_id, sent[5].seq, "👍")
        await kira.channels.set_preferences("hall", pinned=True)
        kira.mark_read("hall", sent[0].seq)
        await kira.channels.update("attic", name="The attic")

        async def equal() -> bool:
            mine = {mine.channel.channel_id: mine async for mine in kira.channels.mine(include_hidden=True)}
            return mine == dict(kira.joined)

        await until(equal, "the client's channels are those that the server lists")
