"""Several processes share the logs: they come, go, die, and give shards to each other."""

import asyncio
import os

import pytest

from libs.log_store import SHARDS, Fenced, LogBatch, LogKey, NotOwner, shard_of
from libs.log_store.cassandra.chain import WRITE_SEAL
from libs.log_store.cassandra.fence import WRITE_FENCE
from libs.log_store.cassandra.ownership import CHANGE_SHARD
from libs.log_store.cassandra.rows import WRITE_ROWS
from tests.conformance.log_store.rows import LOG, batch, row, rows, shown
from tests.integration.cassandra.faulty import Fault
from tests.integration.cassandra.owners import EVERYTHING, SECONDS, Owner, owner, stale_owner
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import until

EPOCH = 4  # its place among the values of WRITE_ROWS


def shards_of(of: Owner) -> set[int]:
    return set(of.store.shards)


def some_logs(count: int) -> list[LogKey]:
    return [LogKey("app", os.urandom(16)) for _ in range(count)]


async def share_evenly(*owners: Owner) -> None:
    """Wait until every shard is somebody's, and nobody has more than an even share."""

    def evenly() -> bool:
        counts = [len(shards_of(it)) for it in owners]
        return sum(counts) == SHARDS and max(counts) <= -(-SHARDS // len(owners))

    await until(evenly, f"{len(owners)} processes share the shards")
    assert len(set().union(*map(shards_of, owners))) == SHARDS, "a shard has two owners"


async def owner_of(log: LogKey, *owners: Owner) -> Owner:
    """Who owns a log, once somebody does."""
    await until(lambda: any(it.store.shards.is_open(shard_of(log)) for it in owners), "the log has an owner")
    return next(it for it in owners if it.store.shards.is_open(shard_of(log)))


async def append(log: LogKey, seq: int, *owners: Owner) -> None:
    it = await owner_of(log, *owners)
    await it.store.append(batch(log, [row(seq)]))
    await it.store.barrier()


async def heads(logs: list[LogKey], *owners: Owner) -> list[int]:
    found: list[int] = []
    for log in logs:
        it = await owner_of(log, *owners)
        (head,) = await it.store.heads([log], with_last_message=False)
        found.append(head.seq)
    return found


async def test_who_comes_is_handed_its_share_and_goes_on_under_the_same_epoch(logs: LogKeyspace) -> None:
    written = some_logs(20)
    async with owner(logs) as first:
        await first.store.append([LogBatch(log, rows(1, 3)) for log in written])
        await first.store.barrier()
        async with owner(logs) as second:
            await share_evenly(first, second)
            assert await heads(written, first, second) == [3] * len(written)
            for log in written:
                await append(log, 4, first, second)
            inherited = [log for log in written if shard_of(log) in shards_of(second)]
            assert {values[EPOCH] for values in second.session.rows_written(WRITE_ROWS)} == {1}
            assert second.session.rows_written(WRITE_SEAL) == [], "nothing was recovered"
            assert second.session.rows_written(WRITE_FENCE) == []
            for log in inherited:
                found = await second.store.read(
                    log, rows(1, 1)[0].seq, rows(9, 9)[0].seq, limit=9, max_bytes=EVERYTHING
                )
                assert found == shown(1, 4)
                changed = await second.store.changes(shard_of(log), "", 100)
                assert dict(changed.logs)[log] == 4


async def test_what_is_anothers_is_refused_with_where_to_go(logs: LogKeyspace) -> None:
    async with owner(logs) as first, owner(logs) as second:
        await share_evenly(first, second)
        for ours, theirs in ((first, second), (second, first)):
            log = next(log for log in some_logs(1_000) if shard_of(log) in shards_of(theirs))
            for asked in (ours.store.append(batch(log, [row(1)])), ours.store.changes(shard_of(log), "", 1)):
                with pytest.raises(NotOwner) as refused:
                    await asked
                assert refused.value.metadata["owner"] == theirs.incarnation
            owners = ours.ring.owners()
            assert {address: set(shards) for address, shards in owners.items()} == {
                ours.incarnation: shards_of(ours),
                theirs.incarnation: shards_of(theirs),
            }


async def test_who_leaves_hands_all_over_while_it_still_serves(logs: LogKeyspace) -> None:
    written = some_logs(10)
    async with owner(logs) as second:
        async with owner(logs) as first:
            await share_evenly(first, second)
            for log in written:
                await append(log, 1, first, second)
            await first.ring.leave()
            assert (len(shards_of(first)), len(shards_of(second))) == (0, SHARDS)
            assert await heads(written, second) == [1] * len(written)
        assert second.session.rows_written(WRITE_FENCE) == []


async def test_the_living_share_what_the_dead_one_had(logs: LogKeyspace) -> None:
    written = some_logs(30)

    async def life(stale: Owner) -> None:
        owners.append(stale)
        await share_evenly(*owners)
        for log in written:
            await append(log, 1, *owners)
        died.set()
        await stale.fall_silent()

    died = asyncio.Event()
    async with owner(logs) as first, owner(logs) as second:
        owners = [first, second]
        async with stale_owner(logs, life, silent=False) as session:
            async with asyncio.timeout(SECONDS):
                await died.wait()
            await share_evenly(first, second)
            assert await heads(written, first, second) == [1] * len(written)
            fences = {values for it in (first, second) for values in it.session.rows_written(WRITE_FENCE)}
            assert fences == {(owners[2].incarnation,)}
            assert {values[EPOCH] for values in session.rows_written(WRITE_ROWS)} == {1}
            for log in written:
                await append(log, 2, first, second)


async def test_a_handover_that_is_not_clearly_done_ends_the_process(logs: LogKeyspace) -> None:
    async def live() -> None:
        async with owner(logs) as first:
            await first.store.append(batch(LOG, rows(1, 1)))
            first.session.always(CHANGE_SHARD, Fault.LATE)
            began.set()
            await asyncio.Event().wait()

    began = asyncio.Event()
    async with asyncio.timeout(SECONDS):
        life = asyncio.create_task(live())
        await began.wait()
        async with owner(logs) as second:
            await asyncio.wait([life])
            error = life.exception()
            assert isinstance(error, ExceptionGroup)
            assert error.subgroup(Fenced) is not None, "it went on"
            await share_evenly(second)
            assert await heads([LOG], second) == [1]


async def test_shards_stay_where_they_are_while_something_is_being_appended_to_them(logs: LogKeyspace) -> None:
    async with owner(logs) as first, asyncio.TaskGroup() as tasks:
        await first.store.append(batch(LOG, rows(1, 1)))
        first.session.always(WRITE_ROWS, Fault.LOST)
        appending = tasks.create_task(first.store.append(batch(LOG, [row(2)])))
        await until(lambda: len(first.session.rows_written(WRITE_ROWS)) > 1, "the row is sent")
        async with owner(logs) as second:
            async with asyncio.timeout(SECONDS):
                given = await first.ring.hand_over([shard_of(LOG)], second.incarnation)
            assert shard_of(LOG) not in given
            first.session.well(WRITE_ROWS)
            await appending
            await share_evenly(first, second)
            assert await heads([LOG], first, second) == [2]


async def test_with_a_write_in_doubt_a_shard_is_not_handed_over_but_taken_over(logs: LogKeyspace) -> None:
    async with owner(logs) as second:
        async with owner(logs) as first:
            await share_evenly(first, second)
            log = next(log for log in some_logs(1_000) if shard_of(log) in shards_of(first))
            await first.store.append(batch(log, rows(1, 3)))
            first.session.always(WRITE_ROWS, Fault.LATE)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await first.store.append(batch(log, [row(4, text="in doubt")]))
            await first.ring.leave()
            assert shard_of(log) in shards_of(first)
        await share_evenly(second)
        assert second.session.rows_written(WRITE_FENCE) == [(first.incarnation,)]
        await append(log, 4, second)
        assert second.session.rows_written(WRITE_ROWS)[-1][EPOCH] == 2


async def test_who_rings_elsewhere_shares_nothing_and_waits(logs: LogKeyspace) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with owner(logs) as first:

            async def wait() -> None:
                async with owner(logs, bus="another") as second:
                    owned.append(len(shards_of(second)))

            owned: list[int] = []
            waiting = tasks.create_task(wait())
            await asyncio.sleep(0)
            await until(lambda: len(first.ring.owners()) == 1, "it is alone")
            done, _ = await asyncio.wait([waiting], timeout=4)
            assert (not done, len(shards_of(first))) == (True, SHARDS)
        async with asyncio.timeout(SECONDS):
            await waiting
        assert owned == [SHARDS]
