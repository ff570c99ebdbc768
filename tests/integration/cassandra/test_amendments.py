"""Owners die, or go on as stale ones, between an event and what follows from it."""

import asyncio

from libs.log_store import LogBatch, MentionQuery, Seq
from libs.log_store.cassandra.fence import READ_FENCE
from libs.log_store.cassandra.marks import WRITE_MARK
from libs.log_store.cassandra.mentions import WRITE_MENTION
from libs.log_store.cassandra.overlays import WRITE_OVERLAY
from libs.log_store.cassandra.rows import WRITE_REDACTION, WRITE_ROWS
from tests.conformance.log_store.rows import LOG, OTHER, row
from tests.conformance.log_store.story import Story, events, last_message
from tests.integration.cassandra.faulty import Fault, FaultySession
from tests.integration.cassandra.owners import Owner, owner, stale_owner
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import until

WORDS = "words-to-be-forgotten"
SEQ = 2


async def mention_count(of: Owner, user_id: str) -> int:
    (count,) = await of.store.mention_counts([MentionQuery(LOG, user_id, Seq(0), frozenset())])
    return count


async def test_what_was_not_written_when_its_owner_died_is_written_before_anything_is_told(logs: LogKeyspace) -> None:
    story = Story()

    async def life(stale: Owner) -> None:
        story.say("hello")
        await story.told(stale.store)
        for statement in (WRITE_OVERLAY, WRITE_MENTION, WRITE_MARK):
            stale.session.always(statement, Fault.LOST)
        story.say("you", reply_to=1, mentions=["carol"])
        story.edit(1, "hello all")
        await story.told(stale.store)

    async with stale_owner(logs, life), owner(logs) as successor:
        message, _, _ = await events(successor.store)
        assert (message.state.edited.text, message.state.reply_count, message.state.as_of_seq) == ("hello all", 1, 3)
        assert await mention_count(successor, "carol") == 1
        assert (await last_message(successor.store)).message.text == "you"


async def test_a_deletion_whose_owner_died_is_completed(logs: LogKeyspace) -> None:
    story = Story()

    async def life(stale: Owner) -> None:
        story.say(WORDS, mentions=["carol"])
        story.edit(1, f"{WORDS} again", mentions=["dave"])
        await story.told(stale.store)
        stale.session.always(WRITE_REDACTION, Fault.LOST)
        story.delete(1)
        await story.told(stale.store)

    async with stale_owner(logs, life), owner(logs) as successor:
        assert (await last_message(successor.store)).state.deleted
        assert WORDS not in str(await events(successor.store))
        assert [await mention_count(successor, user) for user in ("carol", "dave")] == [0, 0]
        blanked = {values[3] for values in successor.session.rows_written(WRITE_REDACTION)}
        assert blanked == {1, 2}
        await successor.store.barrier()

        async def is_gone() -> bool:
            return WORDS.encode() not in await logs.contents()

        await until(is_gone, "the stored mark follows")


async def test_a_late_rewrite_does_not_restore_what_was_deleted(logs: LogKeyspace) -> None:
    story = Story()
    async with owner(logs) as it:
        for statement in (WRITE_ROWS, WRITE_OVERLAY, WRITE_MARK):
            it.session.next(statement, Fault.LATE)
        story.say(WORDS, mentions=["carol"])
        story.edit(1, f"{WORDS} again")
        await story.told(it.store)
        await until(lambda: len(it.session.rows_written(WRITE_MARK)) > 0, "a mark was written")
        story.delete(1)
        await story.told(it.store)

        assert await it.session.arrive() >= 2

        assert WORDS.encode() not in await logs.contents()
        assert (await events(it.store))[0].state.deleted


async def test_what_was_deleted_is_in_no_ghost_whenever_that_comes(logs: LogKeyspace) -> None:
    story = Story()

    async def life(stale: Owner) -> None:
        story.say("hello")
        await story.told(stale.store)
        stale.session.next(WRITE_ROWS, Fault.HELD)
        await stale.store.append([LogBatch(LOG, [row(2, text=WORDS)])])  # its sender hears nothing, and sends it again

    async with stale_owner(logs, life) as session, owner(logs) as successor:
        await successor.store.recover(LOG, 10)
        story.say(WORDS)
        await story.told(successor.store)
        story.delete(2)
        await story.told(successor.store)
        assert WORDS.encode() not in await logs.contents()
        assert await session.arrive() > 0
        assert WORDS.encode() not in await logs.contents()
        assert [event.seq for event in await events(successor.store)] == [1, 2, 3]
    async with owner(logs) as third:
        assert [event.seq for event in await events(third.store)] == [1, 2, 3]


async def test_a_stale_owner_amends_nothing_for_events_that_are_not_in_the_log(logs: LogKeyspace) -> None:
    story = Story()

    async def life(stale: Owner) -> None:
        story.say("hello")
        await story.told(stale.store)
        stale.session.always(READ_FENCE, Fault.LOST)  # it does not learn that it is fenced
        stale.session.next(WRITE_ROWS, Fault.HELD)
        story.delete(1)
        await story.told(stale.store)

    async with stale_owner(logs, life) as session, owner(logs) as successor:
        await successor.store.recover(LOG, 10)
        assert await session.arrive() > 0, "the row of the deletion was not on its way"
        await successor.store.append([LogBatch(LOG, [row(2)])])
        await successor.store.barrier()
        session.well(READ_FENCE)
        assert session.rows_written(WRITE_OVERLAY) == []
        assert (await events(successor.store))[0].message.text == "hello"


async def test_no_mark_passes_an_event_whose_amendments_are_not_durable(logs: LogKeyspace) -> None:
    story = Story()

    def marks(session: FaultySession, log_id: bytes) -> list[object]:
        return [values[SEQ] for values in session.rows_written(WRITE_MARK) if values[1] == log_id]

    async with owner(logs) as it:
        story.say("hello")
        await story.told(it.store)
        it.session.always(WRITE_OVERLAY, Fault.LOST)
        story.edit(1, "hello all")
        editing = asyncio.create_task(story.told(it.store))
        await until(lambda: len(it.session.rows_written(WRITE_OVERLAY)) > 0, "the overlay is tried")
        await it.store.append([LogBatch(OTHER, [row(1)])])
        await it.store.barrier()
        await until(lambda: marks(it.session, OTHER.log_id) == [1], "marks are written")
        assert set(marks(it.session, LOG.log_id)) <= {1}
        it.session.well(WRITE_OVERLAY)
        await editing
        await until(lambda: 2 in marks(it.session, LOG.log_id), "the mark follows")
