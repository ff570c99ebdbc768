"""People talk: the SDK against the whole stack."""

import asyncio

import pytest
import tertulia

from tests.e2e.waiting import next_of
from tests.support.people import make_group, person, together
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_both_see_the_same_messages_at_the_seqs_that_were_acknowledged(stack: Stack) -> None:
    await make_group(stack.address, "plaza", ["alice", "bob"])
    async with together(stack.address, "alice", "bob") as (alice, bob):
        first = await alice.send("plaza", "hello bob")
        second = await bob.send("plaza", "hello alice", reply_to=first.seq, mentions=["alice"])
        for client in (alice, bob):
            one = (await next_of(client, tertulia.MessageReceived)).message
            two = (await next_of(client, tertulia.MessageReceived)).message
            assert (one.seq, one.author, one.text) == (first.seq, "alice", "hello bob")
            assert (two.seq, two.author, two.text) == (second.seq, "bob", "hello alice")
            assert (two.reply_to, list(two.mentions)) == (first.seq, ["alice"])


async def test_what_was_said_meanwhile_is_unread_until_it_is_marked_read_and_the_others_learn_of_it(
    stack: Stack,
) -> None:
    await make_group(stack.address, "kitchen", ["carol", "dave"])
    async with together(stack.address, "carol") as (carol,):
        for number in range(5):
            await carol.send("kitchen", f"message {number}")
        async with together(stack.address, "dave") as (dave,):
            assert dave.joined["kitchen"].unread == 5
            head = dave.joined["kitchen"].head_seq
            dave.mark_read("kitchen", head)
            read = await next_of(carol, tertulia.ReadChanged, lambda event: event.user_id == "dave")
            assert (read.channel_id, read.seq) == ("kitchen", head)
            assert dave.joined["kitchen"].unread == 0
        async with together(stack.address, "dave") as (dave,):
            assert dave.joined["kitchen"].unread == 0


async def test_typing_is_seen_by_the_other_and_presence_by_those_who_watch(stack: Stack) -> None:
    await make_group(stack.address, "bench", ["erin", "frank"])
    async with together(stack.address, "erin") as (erin,):
        erin.watch(["frank"])
        assert not (await next_of(erin, tertulia.PresenceChanged)).online
        async with together(stack.address, "frank") as (frank,):
            assert (await next_of(erin, tertulia.PresenceChanged)).online
            frank.typing("bench")
            typing = await next_of(erin, tertulia.TypingChanged)
            assert (typing.channel_id, typing.user_id, typing.active) == ("bench", "frank", True)
        assert not (await next_of(erin, tertulia.PresenceChanged)).online


async def test_a_direct_channel_is_the_same_from_both_sides(stack: Stack) -> None:
    async with together(stack.address, "gina", "hugo") as (gina, hugo):
        mine = await gina.channels.create_direct("hugo")
        theirs = await hugo.channels.create_direct("gina")
        assert mine.channel_id == theirs.channel_id
        await gina.send(mine.channel_id, "just us")
        assert (await next_of(hugo, tertulia.MessageReceived)).message.text == "just us"
        assert hugo.joined[mine.channel_id].peer == "gina"


async def test_somebody_who_is_added_has_the_channel_at_once_with_its_history(stack: Stack) -> None:
    await make_group(stack.address, "garden", ["iris"])
    async with together(stack.address, "iris", "jack") as (iris, jack):
        before = await iris.send("garden", "before jack")
        await iris.channels.add_members("garden", ["jack"])
        joined = await next_of(jack, tertulia.ChannelJoined)
        assert joined.channel_id == "garden"
        after = await iris.send("garden", "after jack")
        message = (await next_of(jack, tertulia.MessageReceived)).message
        assert message.seq == after.seq
        assert [m.seq async for m in jack.messages.oldest_first("garden")] == [before.seq, after.seq]


async def test_the_last_that_a_removed_member_is_shown_is_the_removal(stack: Stack) -> None:
    await make_group(stack.address, "club", ["kate", "liam"])
    async with together(stack.address, "kate", "liam") as (kate, liam):
        talk = [asyncio.create_task(kate.send("club", f"message {number}")) for number in range(200)]
        removal = asyncio.create_task(kate.channels.remove_members("club", ["liam"]))
        more = [asyncio.create_task(kate.send("club", f"more {number}")) for number in range(200)]
        await asyncio.gather(*talk, removal, *more)
        shown: list[tertulia.MessageReceived | tertulia.MembershipChanged] = []
        removed = left = False  # told on two logs, the channel's and the inbox, which have no order between them
        async with asyncio.timeout(20):
            async for event in liam.events():
                if isinstance(event, tertulia.MessageReceived | tertulia.MembershipChanged):
                    shown.append(event)
                removed |= isinstance(event, tertulia.MembershipChanged) and "liam" in event.removed
                left |= isinstance(event, tertulia.ChannelLeft)
                if removed and left:
                    break
        assert isinstance(shown[-1], tertulia.MembershipChanged)
        assert list(shown[-1].removed) == ["liam"]
        assert [event.seq for event in shown] == list(range(shown[0].seq, shown[-1].seq + 1))
        with pytest.raises(tertulia.NotFound) as refused:
            await liam.send("club", "still here?")
        assert refused.value.reason == "CHANNEL_NOT_FOUND"
        with pytest.raises(tertulia.NotFound):
            await liam.messages.latest("club")


async def test_an_outsider_cannot_tell_a_channel_from_none(stack: Stack) -> None:
    await make_group(stack.address, "cellar", ["mona"])
    async with together(stack.address, "nick") as (nick,):
        answers = set()
        for channel_id in ("cellar", "no-such-channel"):
            with pytest.raises(tertulia.NotFound) as refused:
                await nick.send(channel_id, "anybody?")
            answers.add((refused.value.reason, str(refused.value).replace(channel_id, "")))
        assert len(answers) == 1


async def test_a_client_that_comes_back_is_shown_what_it_missed_once_and_in_order(stack: Stack) -> None:
    await make_group(stack.address, "harbour", ["olga", "pete"])
    async with together(stack.address, "olga", "pete") as (olga, pete):
        sent = [await olga.send("harbour", "one")]
        assert (await next_of(pete, tertulia.MessageReceived)).seq == sent[0].seq
        stack.kill("gateway")
        sent += await asyncio.gather(*(olga.send("harbour", f"number {number}") for number in range(300)))
        seen = [(await next_of(pete, tertulia.MessageReceived)).seq for _ in range(300)]
        assert seen == [one.seq for one in sent[1:]] == list(range(sent[0].seq + 1, sent[0].seq + 301))


async def test_a_session_goes_on_while_services_change_their_certificates_and_who_signs_them(stack: Stack) -> None:
    await make_group(stack.address, "vault", ["rosa", "sam"])
    async with together(stack.address, "rosa", "sam") as (rosa, sam):
        online = tertulia.ConnectionState.ONLINE
        await next_of(sam, tertulia.ConnectionChanged, lambda event: event.state is online)
        await stack.renew_certificates()
        stack.kill("channel")  # what comes back connects to the others, and they to it
        for number in range(20):
            await rosa.send("vault", f"number {number}")
        annexe = await rosa.channels.create_group(["sam"])
        last = await rosa.send(annexe.channel_id, "is everybody here?")
        seen: list[tertulia.ClientEvent] = []
        async with asyncio.timeout(20):
            async for event in sam.events():
                seen.append(event)
                if isinstance(event, tertulia.MessageReceived) and event.channel_id == annexe.channel_id:
                    assert event.seq == last.seq
                    break
        assert sum(isinstance(event, tertulia.MessageReceived) for event in seen) == 21
        assert not any(isinstance(event, tertulia.ConnectionChanged) for event in seen)


async def test_a_repeated_send_takes_one_place(stack: Stack) -> None:
    await make_group(stack.address, "echo", ["quinn"])
    async with person(stack.address, "quinn") as quinn:
        first = await quinn.send("echo", "once", client_message_id="my-id", after_seq=0)
        again = await quinn.send("echo", "once", client_message_id="my-id", after_seq=0)
        assert again.seq == first.seq
        with pytest.raises(tertulia.AlreadyExists) as refused:
            await quinn.send("echo", "twice", client_message_id="my-id", after_seq=0)
        assert refused.value.reason == "CLIENT_ID_REUSED"
        assert len([m async for m in quinn.messages.oldest_first("echo")]) == 1
