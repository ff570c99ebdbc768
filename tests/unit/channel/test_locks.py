"""One at a time for each key."""

import asyncio

from services.channel.locks import KeyedLocks


async def test_holders_of_one_key_wait_and_of_others_do_not() -> None:
    locks: KeyedLocks[str] = KeyedLocks()
    order: list[str] = []
    release = asyncio.Event()

    async def hold(name: str, key: str) -> None:
        async with locks.held(key):
            order.append(name)
            await release.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold("first", "a"))
        await asyncio.sleep(0)
        waiting = group.create_task(hold("second", "a"))
        group.create_task(hold("other", "b"))
        await asyncio.sleep(0)
        assert order == ["first", "other"]
        waiting.cancel()
        release.set()
    async with locks.held("a"):
        assert order == ["first", "other"]


async def test_a_lock_that_nobody_holds_is_forgotten() -> None:
    locks: KeyedLocks[int] = KeyedLocks()
    for key in range(100):
        async with locks.held(key):
            pass
    assert len(locks) == 0
