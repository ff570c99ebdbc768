"""Background tasks beside a body."""

import asyncio

import pytest

from libs.runtime.errors import CannotStart, causes_of
from libs.runtime.process import every, running


class Trouble(Exception):
    """What a task fails with here."""


async def for_ever(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("task")


async def fail() -> None:
    await asyncio.sleep(0)
    raise Trouble


async def test_tasks_end_with_the_body() -> None:
    ended: list[str] = []
    async with running(for_ever(ended)):
        await asyncio.sleep(0)
        assert ended == []
    assert ended == ["task"]


async def test_a_task_that_is_done_ends_nothing() -> None:
    async with running(asyncio.sleep(0)):
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_failed_task_cancels_the_body_and_the_others_and_surfaces() -> None:
    ended: list[str] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with running(fail(), for_ever(ended)):
            await for_ever(ended)
    assert [type(cause) for cause in causes_of(caught.value)] == [Trouble]
    assert ended == ["task", "task"]


async def test_a_failing_body_ends_the_tasks_and_surfaces() -> None:
    ended: list[str] = []
    with pytest.raises(ExceptionGroup) as caught:
        async with running(for_ever(ended)):
            await fail()
    assert [type(cause) for cause in causes_of(caught.value)] == [Trouble]
    assert ended == ["task"]


async def test_cancelling_the_body_is_a_plain_cancellation() -> None:
    ended: list[str] = []

    async def main() -> None:
        async with running(for_ever(ended)):
            await asyncio.Event().wait()

    task = asyncio.create_task(main())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["task"]


async def test_a_periodic_duty_outlives_a_failure() -> None:
    done = asyncio.Event()
    calls = 0

    async def duty() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Trouble
        done.set()

    async with running(every(0.001, duty)), asyncio.timeout(5):
        await done.wait()


def test_causes_are_found_inside_of_groups_of_groups() -> None:
    first, second = CannotStart("one"), Trouble()
    assert causes_of(ExceptionGroup("outer", [ExceptionGroup("inner", [first]), second])) == [first, second]
    assert causes_of(first) == [first]
