"""Caches, shared calls, batches and rates."""

import asyncio

from libs.runtime.process import running
from services.gateway.cache import ExpiringCache, SharedCalls
from services.gateway.one_in_flight import OneInFlight


def test_a_cache_forgets_what_is_old_and_what_came_first() -> None:
    now = {"time": 0.0}
    cache: ExpiringCache[str, int] = ExpiringCache(2, lambda: now["time"])
    cache.put("a", 1, 10)
    cache.put("b", 2, 5)
    now["time"] = 5.0
    assert (cache.get("a"), cache.get("b")) == (1, None)
    cache.put("c", 3, 10)
    cache.put("d", 4, 10)
    assert (cache.get("a"), cache.get("c"), cache.get("d")) == (None, 3, 4)


async def test_calls_that_overlap_are_one_call() -> None:
    calls: SharedCalls[str, int] = SharedCalls()
    made = 0

    async def work() -> int:
        nonlocal made
        made += 1
        await asyncio.sleep(0)
        return made

    assert await asyncio.gather(*(calls.call("x", work) for _ in range(5))) == [1] * 5
    assert await calls.call("x", work) == 2


async def test_a_shared_call_goes_on_when_the_first_caller_is_cancelled() -> None:
    calls: SharedCalls[str, str] = SharedCalls()
    go = asyncio.Event()

    async def work() -> str:
        await go.wait()
        return "done"

    first = asyncio.create_task(calls.call("x", work))
    await asyncio.sleep(0)
    second = asyncio.create_task(calls.call("x", work))
    first.cancel()
    go.set()
    assert await second == "done"


async def test_a_shared_failure_reaches_everybody_and_is_not_kept() -> None:
    calls: SharedCalls[str, str] = SharedCalls()

    async def fail() -> str:
        raise ConnectionError

    async def work() -> str:
        return "done"

    results = await asyncio.gather(*(calls.call("x", fail) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionError] * 2
    assert await calls.call("x", work) == "done"


async def test_one_batch_is_carried_out_at_a_time_and_the_rest_waits_within_its_bound() -> None:
    batches: list[list[int]] = []
    go = asyncio.Semaphore(0)
    began, done = asyncio.Event(), asyncio.Event()

    async def carry_out(batch: list[int]) -> None:
        batches.append(batch)
        began.set()
        await go.acquire()
        if sum(map(len, batches)) == 5:
            done.set()

    queue: OneInFlight[int] = OneInFlight(carry_out, batch=3, waiting=4)
    async with running(queue.run()):
        assert queue.add(0)
        await began.wait()
        assert [queue.add(number) for number in range(1, 6)] == [True] * 4 + [False]
        for _ in range(3):
            go.release()
        await asyncio.wait_for(done.wait(), 5)
    assert batches == [[0], [1, 2, 3], [4]]
