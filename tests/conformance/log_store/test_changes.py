"""Changes of a shard: for those who must miss nothing."""

import asyncio
import os

import pytest

from libs.log_store import SHARDS, LogBatch, LogKey, LogStore, shard_of
from tests.conformance.log_store.conftest import OpenStore
from tests.conformance.log_store.rows import batch, row, rows

SHARD = 7


def logs_of_shard(count: int, shard: int = SHARD) -> list[LogKey]:
    logs: list[LogKey] = []
    while len(logs) < count:
        log = LogKey("app", os.urandom(16))
        if shard_of(log) == shard:
            logs.append(log)
    return logs


async def heard_from(store: LogStore, after: str, limit: int = 100) -> tuple[dict[LogKey, int], str]:
    """All changes after a position, and the position at the end."""
    heard: dict[LogKey, int] = {}
    while True:
        changes = await store.changes(SHARD, after, limit)
        if not changes.logs:
            return heard, changes.next
        heard.update(changes.logs)
        after = changes.next


async def test_every_changed_log_of_the_shard_is_heard_and_no_other(store: LogStore) -> None:
    ours, others = logs_of_shard(5), logs_of_shard(3, SHARD + 1)
    await store.append([LogBatch(log, rows(1, 3)) for log in [*ours, *others]])
    heard, _ = await heard_from(store, "")
    assert heard == dict.fromkeys(ours, 3)


async def test_only_what_came_after_the_position_is_heard(store: LogStore) -> None:
    first, second = logs_of_shard(2)
    await store.append([LogBatch(first, rows(1, 3)), LogBatch(second, rows(1, 1))])
    _, position = await heard_from(store, "")
    assert (await store.changes(SHARD, position, 10)).logs == []
    await store.append(batch(second, [row(2)]))
    heard, position = await heard_from(store, position)
    assert heard == {second: 2}
    await store.append(batch(first, [row(4)]))
    heard, _ = await heard_from(store, position)
    assert heard == {first: 4}


async def test_a_position_holds_after_reopening(open_store: OpenStore) -> None:
    (log,) = logs_of_shard(1)
    async with open_store() as store:
        await store.append(batch(log, rows(1, 3)))
        _, position = await heard_from(store, "")
    async with open_store() as store:
        assert (await store.changes(SHARD, position, 10)).logs == []
        await store.append(batch(log, [row(4)]))
        assert (await heard_from(store, position))[0] == {log: 4}


async def test_small_limits_miss_nothing(store: LogStore) -> None:
    logs = logs_of_shard(7)
    for seq in (1, 2):
        await store.append([LogBatch(log, [row(seq)]) for log in logs])
    heard, _ = await heard_from(store, "", limit=2)
    assert heard == dict.fromkeys(logs, 2)


async def test_a_consumer_beside_many_writers_misses_nothing(store: LogStore) -> None:
    logs = logs_of_shard(8)
    last = 25

    async def write(log: LogKey) -> None:
        for seq in range(1, last + 1):
            await store.append(batch(log, [row(seq)]))

    heard: dict[LogKey, int] = {}

    async def consume() -> None:
        after = ""
        while heard != dict.fromkeys(logs, last):
            changes = await store.changes(SHARD, after, 3)
            for log, seq in changes.logs:
                assert seq >= heard.get(log, 0), "a position never goes back"
                heard[log] = seq
            after = changes.next

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for log in logs:
            tasks.create_task(write(log))
        tasks.create_task(consume())


async def test_a_forged_position_is_an_error(store: LogStore) -> None:
    with pytest.raises(ValueError, match="position"):
        await store.changes(SHARD, "nonsense", 10)


def test_the_shard_of_a_log_never_changes() -> None:
    assert [shard_of(LogKey("app", bytes([n]) * 16)) for n in range(4)] == [85, 183, 208, 50]
    assert {shard_of(LogKey("app", n.to_bytes(16))) for n in range(10_000)} == set(range(SHARDS))
