"""Writes that must succeed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from libs.cassandra import CassandraUnavailable

Result = TypeVar("Result")
log = structlog.get_logger()

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0  # while no node is up, failures come at once


async def until_durable(write: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat a write, or a read that much depends on, identically until it succeeds. Whoever is fenced meanwhile is cancelled:
    see `opening`."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await write()
        except CassandraUnavailable as error:
            log.warning("request_repeated", error=str(error), after_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def all_until_durable(writes: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Have all of them succeed, at the same time."""
    waiting = list(writes)
    if len(waiting) == 1:
        await until_durable(waiting[0])
        return
    async with asyncio.TaskGroup() as tasks:
        for write in waiting:
            tasks.create_task(until_durable(write))
