"""What becomes of messages that were said: edits, deletions, reactions, replies; live and in history alike."""

import asyncio

import pytest
import tertulia

from tests.e2e.waiting import next_of
from tests.support.people import back_end, make_group, together
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_edit_and_a_reaction_are_seen_live_and_in_history(stack: Stack) -> None:
    await make_group(stack.address, "study", ["ada", "bert"])
    async with together(stack.address, "ada", "bert") as (ada, bert):
        sent = await ada.send("study", "helo")
        await ada.edit("study", sent.seq, "hello @bert", mentions=["bert"])
        edited = await next_of(bert, tertulia.MessageEdited)
        assert (edited.target, edited.by, edited.text, edited.mentions) == (sent.seq, "ada", "hello @bert", ("bert",))
        await bert.react("study", sent.seq, "👍")
        await ada.react("study", sent.seq, "👍")
        await ada.react("study", sent.seq, "🎉")
        await ada.unreact("study", sent.seq, "🎉")
        reactions = [await next_of(ada, tertulia.ReactionChanged) for _ in range(4)]
        assert [(each.by, each.key, each.removed) for each in reactions] == [
            ("bert", "👍", False),
            ("ada", "👍", False),
            ("ada", "🎉", False),
            ("ada", "🎉", True),
        ]
        message = await bert.messages.get("study", sent.seq)
        assert (message.text, message.mentions, message.edited) == ("hello @bert", ("bert",), True)
        assert message.reactions == (tertulia.Reaction("👍", 2, ("bert", "ada")),)
        assert (await bert.messages.latest("study")).messages == [message]
        assert bert.joined["study"].last_message == message, "what is known live is what is read"
        assert bert.joined["study"].unread == 1, "an edit and a reaction are nothing to read"


async def test_a_reaction_done_twice_is_there_once(stack: Stack) -> None:
    await make_group(stack.address, "stage", ["cora", "dirk"])
    async with together(stack.address, "cora", "dirk") as (cora, dirk):
        sent = await cora.send("stage", "ta-da")
        done = [await dirk.react("stage", sent.seq, "👏") for _ in range(2)]
        assert done[0].seq == sent.seq + 1
        head = await dirk.messages.head("stage")
        assert head == done[0].seq, "the second one appended nothing"
        assert (await cora.messages.get("stage", sent.seq)).reactions == (tertulia.Reaction("👏", 1, ("dirk",)),)


async def test_a_deleted_message_keeps_its_place_and_nothing_else(stack: Stack) -> None:
    await make_group(stack.address, "diary", ["elsa", "finn"])
    async with together(stack.address, "elsa", "finn") as (elsa, finn):
        first = await elsa.send("diary", "dear diary")
        secret = await elsa.send("diary", "the secret", reply_to=first.seq, custom_type="t", custom_data="also secret")
        await elsa.edit("diary", secret.seq, "the edited secret")
        await finn.react("diary", secret.seq, "😮")
        assert (await finn.messages.get("diary", first.seq)).reply_count == 1
        await elsa.delete("diary", secret.seq)
        deleted = await next_of(finn, tertulia.MessageDeleted)
        assert (deleted.target, deleted.by, deleted.reply_to) == (secret.seq, "elsa", first.seq)
        for client in (elsa, finn):
            messages = (await client.messages.latest("diary")).messages
            assert [message.seq for message in messages] == [first.seq, secret.seq]
            kept = messages[1]
            assert (kept.text, kept.custom_data, kept.reactions) == ("", "", ())
            assert (kept.deleted, kept.deleted_by) == (True, "elsa")
            assert messages[0].reply_count == 0
        assert finn.joined["diary"].last_message == (await finn.messages.latest("diary")).messages[1]
        assert finn.joined["diary"].unread == 2, "it still counts"
        with pytest.raises(tertulia.FailedPrecondition) as refused:
            await elsa.edit("diary", secret.seq, "back again")
        assert refused.value.reason == "MESSAGE_DELETED"
        with pytest.raises(tertulia.FailedPrecondition):
            await finn.react("diary", secret.seq, "😮")
        assert (await elsa.delete("diary", secret.seq)).seq == deleted.seq, "a second deletion changes nothing"


async def test_the_text_of_a_deleted_message_is_told_to_nobody_who_comes_later(stack: Stack) -> None:
    await make_group(stack.address, "vault", ["gwen", "hank"])
    async with together(stack.address, "gwen") as (gwen,):
        sent = await gwen.send("vault", "12345")
        await gwen.edit("vault", sent.seq, "54321")
        await gwen.delete("vault", sent.seq)
    async with together(stack.address, "hank") as (hank,):
        last = hank.joined["vault"].last_message
        assert last is not None
        assert (last.seq, last.text, last.deleted) == (sent.seq, "", True)
        mine = [each async for each in hank.channels.mine()]
        assert [each.last_message.text for each in mine if each.last_message] == [""]


async def test_only_its_author_edits_a_message_and_only_who_leads_deletes_anothers(stack: Stack) -> None:
    await make_group(stack.address, "court", ["ines", "jake", "kurt"])
    async with together(stack.address, "ines", "jake", "kurt") as (ines, jake, kurt):
        sent = await jake.send("court", "I object")
        for attempt in (ines.edit("court", sent.seq, "I agree"), kurt.delete("court", sent.seq)):
            with pytest.raises(tertulia.PermissionDenied) as refused:
                await attempt
            assert refused.value.reason == "NOT_ALLOWED"
        assert (await kurt.messages.get("court", sent.seq)).text == "I object"
        async with back_end(stack.address) as server:
            await server.edit("court", sent.seq, "I object, your honour")
        assert (await kurt.messages.get("court", sent.seq)).text == "I object, your honour"
        await ines.delete("court", sent.seq)
        assert (await kurt.messages.get("court", sent.seq)).deleted_by == "ines"
        with pytest.raises(tertulia.NotFound) as missing:
            await jake.edit("court", 9_999, "nothing there")
        assert missing.value.reason == "MESSAGE_NOT_FOUND"


async def test_many_who_react_and_edit_at_once_see_what_history_has(stack: Stack) -> None:
    await make_group(stack.address, "party", ["lena", "mats"])
    async with together(stack.address, "lena", "mats") as (lena, mats):
        sent = await lena.send("party", "0")
        work = [lena.edit("party", sent.seq, str(n)) for n in range(1, 21)]
        work += [client.react("party", sent.seq, f"e{n}") for n in range(10) for client in (lena, mats)]
        work += [client.unreact("party", sent.seq, f"e{n}") for n in range(0, 10, 2) for client in (lena, mats)]
        done = await asyncio.gather(*work)
        last = max(each.seq for each in done)
        said = await lena.send("party", "that was all", reply_to=sent.seq)
        seen = {"text": "0"}
        async with asyncio.timeout(20):
            async for event in mats.events():
                if isinstance(event, tertulia.MessageEdited):
                    seen["text"] = event.text
                if isinstance(event, tertulia.MessageReceived) and event.seq == said.seq:
                    break
        message = await mats.messages.get("party", sent.seq)
        assert (message.text, message.reply_count) == (seen["text"], 1)
        assert last < said.seq
        assert all(each.count == len(set(each.user_ids)) for each in message.reactions)
