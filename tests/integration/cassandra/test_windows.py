"""Whoever asks for changes misses nothing: not what is being appended, not over takeovers, not over many windows."""

import asyncio
import itertools

from libs.log_store import LogKey, LogStore, Recovered, SendId, Seq, StoreUnavailable, shard_of
from libs.log_store.cassandra.dirty import NEWEST_SPAN, WINDOWS_PER_SPAN, dirty_logs
from libs.log_store.cassandra.marks import WRITE_MARK
from libs.log_store.cassandra.rows import WRITE_ROWS
from libs.log_store.cassandra.vocabulary import ROWS_PER_BUCKET, Epoch
from tests.conformance.log_store.rows import LOG, batch, row, rows, shown
from tests.integration.cassandra.faulty import Fault
from tests.integration.cassandra.owners import EVERYTHING, owner
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import until

SHARD = shard_of(LOG)
NEIGHBOUR = next(
    log for number in itertools.count() if shard_of(log := LogKey("app", number.to_bytes(16))) == SHARD and log != LOG
)


async def heard_from(store: LogStore, after: str) -> tuple[dict[LogKey, int], str]:
    heard: dict[LogKey, int] = {}
    while (changes := await store.changes(SHARD, after, 100)).logs:
        heard.update(changes.logs)
        after = changes.next
    return heard, after


async def recovered(store: LogStore, log: LogKey) -> Recovered:
    """Ask again while so many rows are being repaired that nobody waits for the end: the recovery itself goes on."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await store.recover(log, 200)
            except StoreUnavailable:
                continue


async def test_what_is_being_appended_is_heard_later(logs: LogKeyspace) -> None:
    async with owner(logs) as it, asyncio.TaskGroup() as tasks:
        await it.store.append(batch(LOG, rows(1, 3)))
        _, position = await heard_from(it.store, "")
        it.session.always(WRITE_ROWS, Fault.LOST)
        appending = tasks.create_task(it.store.append(batch(LOG, [row(4)])))
        await until(lambda: len(it.session.rows_written(WRITE_ROWS)) > 3, "the row is sent")
        heard, position = await heard_from(it.store, position)
        assert heard == {}, "it is not durable"
        it.session.well(WRITE_ROWS)
        await appending
        assert (await heard_from(it.store, position))[0] == {LOG: 4}


async def test_a_position_holds_over_takeovers_and_many_windows(logs: LogKeyspace) -> None:
    position, seq = "", 0
    for _ in range(2):
        async with owner(logs) as it:
            for _ in range(WINDOWS_PER_SPAN + 3):
                seq += 1
                await it.store.append(batch(LOG, [row(seq)]))
                heard, position = await heard_from(it.store, position)
                assert heard == {LOG: seq}
            seq += 1
            await it.store.append(batch(LOG, [row(seq)]))
    async with owner(logs) as it:
        assert (await heard_from(it.store, position))[0] == {LOG: seq}
        assert (await heard_from(it.store, ""))[0] == {LOG: seq}


async def test_a_database_that_does_not_answer_before_the_first_append_is_waited_for(logs: LogKeyspace) -> None:
    async with owner(logs) as it, asyncio.TaskGroup() as tasks:
        it.session.always(NEWEST_SPAN, Fault.LOST)
        appending = tasks.create_task(it.store.append(batch(LOG, [row(1)])))
        done, _ = await asyncio.wait([appending], timeout=0.2)
        assert not done, "it is repeated"
        it.session.well(NEWEST_SPAN)
        await appending
        await it.store.append(batch(LOG, [row(2)]))
        assert (await heard_from(it.store, ""))[0] == {LOG: 2}


async def test_a_takeover_knows_the_last_two_windows_where_a_partition_ends_between_them(logs: LogKeyspace) -> None:
    async with owner(logs) as it:
        for seq in range(1, WINDOWS_PER_SPAN):
            await it.store.append(batch(LOG, [row(seq)]))
            await heard_from(it.store, "")  # ends the window
        await it.store.append(batch(NEIGHBOUR, [row(1)]))
        assert await dirty_logs(it.session, SHARD, Epoch(2)) == {LOG, NEIGHBOUR}


async def test_a_log_goes_on_over_the_end_of_a_partition(logs: LogKeyspace) -> None:
    last = ROWS_PER_BUCKET + 100
    async with owner(logs) as first:
        first.session.always(WRITE_MARK, Fault.LOST)
        await first.store.append(batch(LOG, rows(1, last)))
        await first.store.barrier()
    async with owner(logs) as second:
        assert (await recovered(second.store, LOG)).head.seq == last
        assert len(second.session.rows_written(WRITE_ROWS)) == last, "all of it is repaired"
        edge = Seq(ROWS_PER_BUCKET)
        for backward in (False, True):
            found = await second.store.read(
                LOG, Seq(edge - 5), Seq(edge + 5), limit=11, max_bytes=EVERYTHING, backward=backward
            )
            assert found == shown(edge - 5, edge + 5)
        (sent,) = await second.store.find_sent(LOG, {SendId("alice", f"id-{edge + 1}")}, Seq(1), Seq(last))
        assert sent.seq == edge + 1
