"""Owners die, stop, and go on running though they are owners no more; their writes are late, lost and doubted."""

import asyncio
import time

import pytest

from libs.log_store import EMPTY_HEAD, LogBatch, LogKey, LogStore, Recovered, Seq, Shown, StoreUnavailable
from libs.log_store.cassandra.chain import READ_SEALS, WRITE_SEAL
from libs.log_store.cassandra.dirty import WRITE_DIRTY
from libs.log_store.cassandra.fence import READ_FENCE, WRITE_FENCE
from libs.log_store.cassandra.heartbeats import SUSPICION_SECONDS
from libs.log_store.cassandra.marks import WRITE_MARK
from libs.log_store.cassandra.ownership import CHANGE_SHARD
from libs.log_store.cassandra.rows import WRITE_ROWS
from tests.conformance.log_store.rows import LOG, OTHER, batch, row, rows, shown
from tests.integration.cassandra.faulty import Fault
from tests.integration.cassandra.owners import EVERYTHING, Owner, owner, stale_owner
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import until

EPOCH = 4  # its place among the values of WRITE_ROWS
SEQ = 3


async def everything(store: LogStore) -> list[Shown]:
    return await store.read(LOG, Seq(1), Seq(1 << 50), limit=10_000, max_bytes=EVERYTHING)


async def test_a_restart_is_a_takeover_that_repairs_and_seals(logs: LogKeyspace) -> None:
    async with owner(logs) as first:
        await first.store.append(batch(LOG, rows(1, 3)))
        await first.store.barrier()
        first.session.always(WRITE_MARK, Fault.LOST)
    async with owner(logs) as second:
        recovered = await second.store.recover(LOG, 10)
        assert [sent.seq for sent in recovered.sent] == [1, 2, 3]
        assert recovered.head.last_message == row(3).event
        repaired = [(values[SEQ], values[EPOCH]) for values in second.session.rows_written(WRITE_ROWS)]
        assert repaired == [(1, 1), (2, 1), (3, 1)]
        seals = [values[2:] for values in second.session.rows_written(WRITE_SEAL)]
        assert seals == [(1, 1, 0), (2, 4, 1)], "the seal linked to is written again before the new one"
        assert second.session.rows_written(WRITE_FENCE) == [(first.incarnation,)]
        await second.store.append(batch(LOG, rows(4, 5)))
        assert await everything(second.store) == shown(1, 5)


async def test_below_the_mark_nothing_is_repaired(logs: LogKeyspace) -> None:
    async with owner(logs) as first:
        await first.store.append(batch(LOG, rows(1, 3)))
        await first.store.barrier()
    async with owner(logs) as second:
        assert (await second.store.recover(LOG, 10)).head.seq == 3
        assert second.session.rows_written(WRITE_ROWS) == []


async def test_heads_of_logs_that_nobody_writes_cost_no_takeover(logs: LogKeyspace) -> None:
    async with owner(logs) as first:
        await first.store.append(batch(LOG, rows(1, 3)))
        await first.store.barrier()
    async with owner(logs) as second:
        heads = await second.store.heads([LOG, OTHER], with_last_message=True)
        assert [head.seq for head in heads] == [3, 0]
        assert heads[0].last_message == row(3).event
        assert await everything(second.store) == shown(1, 3)


async def test_logs_that_wait_are_recovered_together_whether_or_not_their_marks_are_old(logs: LogKeyspace) -> None:
    many = [LogKey("app", f"log {number:3}".encode()) for number in range(64)]  # so many come at once
    several, unmarked = many[:10], many[10:]
    async with owner(logs) as first:
        await first.store.append([LogBatch(log, rows(1, 3)) for log in several])
        await first.store.barrier()
        await until(lambda: len(first.session.rows_written(WRITE_MARK)) == len(several), "the marks are written")
        first.session.always(WRITE_MARK, Fault.LOST)
        await first.store.append([LogBatch(log, rows(1, 2)) for log in unmarked])
    async with owner(logs) as second:
        second.session.read.clear()
        await second.store.append(
            [LogBatch(log, [row(4)]) for log in several] + [LogBatch(log, [row(3)]) for log in unmarked]
        )
        assert second.session.read[READ_SEALS] == 4
        await second.store.barrier()
        heads = await second.store.heads(many, with_last_message=False)
        assert [head.seq for head in heads] == [4] * len(several) + [3] * len(unmarked)
        repaired = {values[:2] for values in second.session.rows_written(WRITE_ROWS) if values[EPOCH] == 1}
        assert repaired == set(unmarked)


async def test_a_late_write_of_a_stale_owner_is_a_ghost_for_ever(logs: LogKeyspace) -> None:
    async def life(stale: Owner) -> None:
        await stale.store.append(batch(LOG, rows(1, 3)))
        await stale.store.barrier()
        stale.session.always(WRITE_ROWS, Fault.LATE)
        await stale.store.append(batch(LOG, [row(4, text="of the stale one")]))

    async with stale_owner(logs, life) as session, owner(logs) as successor:
        await successor.store.recover(LOG, 10)
        await successor.store.append(batch(LOG, [row(4)]))
        assert await session.arrive() > 0, "nothing was late"
        assert await everything(successor.store) == shown(1, 4)
        await successor.store.append(batch(LOG, [row(5)]))
    async with owner(logs) as third:
        assert await everything(third.store) == shown(1, 5)
        assert (await third.store.recover(LOG, 10)).head.seq == 5


async def test_a_late_write_that_arrives_before_the_takeover_is_kept_by_all(logs: LogKeyspace) -> None:
    async def life(stale: Owner) -> None:
        await stale.store.append(batch(LOG, rows(1, 3)))
        stale.session.always(WRITE_ROWS, Fault.LATE)
        await stale.store.append(batch(LOG, [row(4)]))

    async with stale_owner(logs, life) as session, owner(logs) as successor:
        assert await session.arrive() > 0
        assert (await successor.store.recover(LOG, 10)).head.seq == 4
        await successor.store.append(batch(LOG, [row(5)]))
        assert await everything(successor.store) == shown(1, 5)


async def test_a_row_after_a_gap_does_not_count(logs: LogKeyspace) -> None:
    big = [row(seq, text="x" * 40_000) for seq in (2, 3)]  # a batch of its own for each

    async def life(stale: Owner) -> None:
        await stale.store.append(batch(LOG, [row(1)]))
        stale.session.next(WRITE_ROWS, Fault.LATE)
        stale.session.next(WRITE_ROWS, Fault.ANSWER_LOST)
        stale.session.always(WRITE_ROWS, Fault.LATE)
        await stale.store.append(batch(LOG, big))

    async with stale_owner(logs, life) as session, owner(logs) as successor:
        assert (await successor.store.recover(LOG, 10)).head.seq == 1
        await successor.store.append(batch(LOG, [row(2)]))
        await session.arrive()
        assert await everything(successor.store) == shown(1, 2)


async def test_an_owner_that_was_fenced_passes_no_barrier(logs: LogKeyspace) -> None:
    async def life(stale: Owner) -> None:
        await stale.store.append(batch(LOG, rows(1, 3)))
        while True:
            await stale.store.barrier()
            await asyncio.sleep(0.01)

    async with stale_owner(logs, life), owner(logs) as successor:  # the former checks that it ends as fenced
        assert (await successor.store.recover(LOG, 10)).head.seq == 3


async def test_a_log_whose_chain_is_broken_holds_up_no_other(logs: LogKeyspace) -> None:
    async with owner(logs) as it:
        await it.session.write(WRITE_SEAL, [(*LOG, 1, 1, 7)])
        broken, other = await asyncio.gather(
            it.store.recover(LOG, 10), it.store.recover(OTHER, 10), return_exceptions=True
        )
        assert isinstance(broken, StoreUnavailable)
        assert isinstance(other, Recovered)


async def test_a_read_of_the_own_fence_that_is_never_answered_is_made_again(logs: LogKeyspace) -> None:
    async with owner(logs) as it:
        it.session.next(READ_FENCE, Fault.HELD, Fault.HELD)
        async with asyncio.timeout(20):  # the held ones are never answered
            await it.store.append(batch(LOG, rows(1, 3)))
            await it.store.barrier()


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ANSWER_LOST, Fault.LATE])
async def test_writes_that_time_out_are_repeated_identically(logs: LogKeyspace, fault: Fault) -> None:
    async with owner(logs) as it:
        for statement in (WRITE_SEAL, WRITE_DIRTY, WRITE_ROWS):
            it.session.next(statement, fault, fault)
        await it.store.append([LogBatch(LOG, rows(1, 3))])
        await it.store.barrier()
        for statement in (WRITE_SEAL, WRITE_DIRTY, WRITE_ROWS):
            written = it.session.rows_written(statement)
            assert len(written) == 3 * len(set(written)), "not the same three times"
        await it.session.arrive()
        assert await everything(it.store) == shown(1, 3)


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.ANSWER_LOST])
async def test_a_compare_and_set_that_times_out_is_resolved_by_a_read(logs: LogKeyspace, fault: Fault) -> None:
    async with owner(logs, lambda session: session.next(CHANGE_SHARD, fault)) as it:
        await it.store.append(batch(LOG, rows(1, 1)))
        await it.store.barrier()
        assert [values[EPOCH] for values in it.session.rows_written(WRITE_ROWS)] == [1]


async def test_who_falls_silent_is_fenced_after_three_seconds_and_not_before(logs: LogKeyspace) -> None:
    async def life(stale: Owner) -> None:
        await stale.store.append(batch(LOG, rows(1, 1)))

    async with stale_owner(logs, life):
        begun = time.monotonic()
        async with owner(logs) as successor:
            assert time.monotonic() - begun >= SUSPICION_SECONDS
            assert (await successor.store.recover(LOG, 1)).head.seq == 1


async def test_after_a_clean_stop_nobody_waits(logs: LogKeyspace) -> None:
    async with owner(logs) as first:
        await first.store.append(batch(LOG, rows(1, 1)))
    begun = time.monotonic()
    async with owner(logs):
        assert time.monotonic() - begun < SUSPICION_SECONDS


async def test_a_recovery_that_nobody_waits_for_any_more_seals_only_once(logs: LogKeyspace) -> None:
    async with owner(logs) as it:
        it.session.next(WRITE_SEAL, Fault.LATE, Fault.LOST)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await it.store.recover(LOG, 10)
        assert (await it.store.recover(LOG, 10)).head == EMPTY_HEAD
        await it.session.arrive()
        assert len(set(it.session.rows_written(WRITE_SEAL))) == 1
