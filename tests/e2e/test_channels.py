"""Kinds of channels, roles, and who blocks whom."""

import pytest
import tertulia

from tests.e2e.waiting import next_of
from tests.support.people import back_end, make_channel, make_group, person, together
from tests.support.ports import until
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_open_channel_is_found_and_joined_by_anybody(stack: Stack) -> None:
    await make_channel(stack.address, tertulia.ChannelKind.OPEN, "fountain", "nora")
    async with together(stack.address, "nora", "omar") as (nora, omar):
        said = await nora.send("fountain", "anybody here?")
        assert "fountain" in [channel.channel_id async for channel in omar.channels.open("foun")]
        assert [channel.channel_id async for channel in omar.channels.open("zzz")] == []
        with pytest.raises(tertulia.PermissionDenied) as refused:
            await omar.send("fountain", "may I?")
        assert refused.value.reason == "NOT_JOINED"
        joined = await omar.channels.join("fountain")
        assert joined.kind is tertulia.ChannelKind.OPEN
        assert (await next_of(omar, tertulia.ChannelJoined)).channel_id == "fountain"
        assert omar.joined["fountain"].unread == 0, "what was said before is nothing that one missed"
        assert [m.seq async for m in omar.messages.oldest_first("fountain")] == [said.seq]
        answer = await omar.send("fountain", "I am")
        assert (await next_of(nora, tertulia.MessageReceived, lambda e: e.message.author == "omar")).seq == answer.seq
        assert (await omar.channels.join("fountain")).member_count == 2, "joining twice changes nothing"


async def test_a_broadcast_channel_is_read_by_all_and_written_by_those_who_lead_it(stack: Stack) -> None:
    await make_channel(stack.address, tertulia.ChannelKind.BROADCAST, "offers", "brand", ["paul", "rosa"])
    async with together(stack.address, "brand", "paul", "rosa") as (brand, paul, rosa):
        assert not paul.joined["offers"].permissions.send
        assert paul.joined["offers"].permissions.react
        with pytest.raises(tertulia.PermissionDenied) as refused:
            await paul.send("offers", "buy mine")
        assert refused.value.reason == "NOT_ALLOWED"
        offer = await brand.send("offers", "50 % off")
        assert (await next_of(paul, tertulia.MessageReceived)).seq == offer.seq
        await paul.react("offers", offer.seq, "🛒")
        await brand.channels.set_role("offers", "rosa", tertulia.MemberRole.OPERATOR)
        await until(lambda: rosa.joined["offers"].permissions.send, "an operator's permission to send")
        await rosa.send("offers", "and free delivery")


async def test_who_may_not_speak_any_more_still_learns_what_became_of_an_earlier_try(stack: Stack) -> None:
    await make_channel(stack.address, tertulia.ChannelKind.BROADCAST, "news", "editor", ["stringer"])
    async with together(stack.address, "editor", "stringer") as (editor, stringer):
        await editor.channels.set_role("news", "stringer", tertulia.MemberRole.OPERATOR)
        await until(lambda: stringer.joined["news"].permissions.send, "an operator's permission to send")
        said = await stringer.send("news", "it rains", client_message_id="rain")
        await editor.channels.set_role("news", "stringer", tertulia.MemberRole.MEMBER)
        again = await stringer.send("news", "it rains", client_message_id="rain")
        assert again.seq == said.seq
        with pytest.raises(tertulia.PermissionDenied) as refused:
            await stringer.send("news", "it pours")
        assert refused.value.reason == "NOT_ALLOWED"


async def test_roles_are_given_by_owners_and_the_last_owner_stays_one(stack: Stack) -> None:
    await make_group(stack.address, "guild", ["sara", "theo", "una"])
    async with together(stack.address, "sara", "theo", "una") as (sara, theo, una):
        with pytest.raises(tertulia.PermissionDenied):
            await theo.channels.set_role("guild", "theo", tertulia.MemberRole.OWNER)
        with pytest.raises(tertulia.FailedPrecondition) as refused:
            await sara.channels.set_role("guild", "sara", tertulia.MemberRole.MEMBER)
        assert refused.value.reason == "LAST_OWNER"
        member = await sara.channels.set_role("guild", "theo", tertulia.MemberRole.OPERATOR)
        assert member.role is tertulia.MemberRole.OPERATOR
        changed = await next_of(una, tertulia.MembershipChanged, lambda event: bool(event.roles))
        assert changed.roles == {"theo": tertulia.MemberRole.OPERATOR}
        await until(lambda: theo.joined["guild"].role is tertulia.MemberRole.OPERATOR, "theo knows of it")
        rude = await una.send("guild", "rude")
        await theo.delete("guild", rude.seq)
        await theo.channels.remove_members("guild", ["una"])
        assert (await next_of(una, tertulia.ChannelLeft)).channel_id == "guild"
        await sara.channels.leave("guild")
        roles = {each.user_id: each.role async for each in theo.channels.members("guild")}
        assert roles == {"theo": tertulia.MemberRole.OWNER}, "operators first, when the last owner leaves"


async def test_what_is_shown_of_a_channel_changes_for_everybody_and_an_old_etag_is_refused(stack: Stack) -> None:
    await make_group(stack.address, "house", ["vera", "walt"])
    async with together(stack.address, "vera", "walt") as (vera, walt):
        before = await vera.channels.get("house")
        changed = await vera.channels.update("house", name="Our house", custom_data='{"floor": 2}', etag=before.etag)
        assert (changed.name, changed.custom_data) == ("Our house", '{"floor": 2}')
        await next_of(walt, tertulia.ChannelChanged)
        assert walt.joined["house"].channel == await walt.channels.get("house")
        with pytest.raises(tertulia.Aborted) as refused:
            await vera.channels.update("house", name="My house", etag=before.etag)
        assert refused.value.reason == "ETAG_MISMATCH"
        with pytest.raises(tertulia.PermissionDenied):
            await walt.channels.update("house", name="Walt's house")


async def test_slow_mode_makes_members_wait_and_says_how_long(stack: Stack) -> None:
    await make_group(stack.address, "snail", ["xena", "yves"])
    async with together(stack.address, "xena", "yves") as (xena, yves):
        await xena.channels.update("snail", slow_mode_seconds=60)
        await yves.send("snail", "one")
        with pytest.raises(tertulia.ResourceExhausted) as refused:
            await yves.send("snail", "two")
        assert refused.value.reason == "SLOW_MODE"
        assert 0 < refused.value.retry_after_ms <= 60_000
        await xena.send("snail", "an owner")
        await xena.send("snail", "need not wait")


async def test_a_deleted_channel_is_gone_for_everybody(stack: Stack) -> None:
    await make_group(stack.address, "sandcastle", ["zara", "adam"])
    async with together(stack.address, "zara", "adam") as (zara, adam):
        await zara.send("sandcastle", "here comes the tide")
        with pytest.raises(tertulia.PermissionDenied):
            await adam.channels.delete("sandcastle")
        await zara.channels.delete("sandcastle")
        assert (await next_of(adam, tertulia.ChannelDeleted)).by == "zara"
        assert "sandcastle" not in adam.joined
        for client in (zara, adam):
            with pytest.raises(tertulia.NotFound) as refused:
                await client.messages.latest("sandcastle")
            assert refused.value.reason == "CHANNEL_NOT_FOUND"
    async with person(stack.address, "adam") as adam:
        assert "sandcastle" not in adam.joined
        assert "sandcastle" not in [mine.channel.channel_id async for mine in adam.channels.mine()]


async def test_a_block_silences_a_direct_channel_and_what_the_other_does_counts_for_nothing(stack: Stack) -> None:
    async with together(stack.address, "bea", "carl") as (bea, carl):
        direct = (await bea.channels.create_direct("carl")).channel_id
        await carl.send(direct, "hello?")
        await make_group(stack.address, "lobby", ["bea", "carl"])
        await next_of(bea, tertulia.ChannelJoined, lambda event: event.channel_id == "lobby")
        await bea.users.block("carl")
        assert [user.user_id async for user in bea.users.blocked()] == ["carl"]
        for client in (bea, carl):
            with pytest.raises(tertulia.PermissionDenied) as refused:
                await client.send(direct, "still there?")
            assert refused.value.reason == "BLOCKED"
        await carl.send("lobby", "@bea, why?", mentions=["bea"])
        await next_of(bea, tertulia.MessageReceived, lambda event: event.channel_id == "lobby")
        await until(lambda: bea.joined["lobby"].mention_count == 0, "a mention by who is blocked counts for nothing")
        assert not (await carl.presence.get(["bea"]))[0].online
        with pytest.raises(tertulia.PermissionDenied):
            await carl.channels.create_group(["bea"], name="come on")
        await bea.users.unblock("carl")
        await until(lambda: bea.joined[direct].permissions.send, "the direct channel is open to her again")
        await until(lambda: carl.joined[direct].permissions.send, "and to him")
        await carl.send(direct, "friends?")


async def test_people_are_listed_for_the_application_only(stack: Stack) -> None:
    async with back_end(stack.address) as server, together(stack.address, "dina") as (dina,):
        await server.users.set("dina", name="Dinamarca")
        assert "dina" in [user.user_id async for user in server.users.everyone()]
        assert [user.user_id async for user in server.users.search("dinAM")] == ["dina"]
        with pytest.raises(tertulia.PermissionDenied) as refused:
            async for _ in dina.users.everyone():
                pass
        assert refused.value.reason == "SERVER_KEY_REQUIRED"
