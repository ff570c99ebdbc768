"""How questions are answered: in time, and many of them at a time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from libs.cassandra import CassandraUnavailable
from libs.log_store.errors import StoreUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
logger = structlog.get_logger()

AT_A_TIME = 64
"""Of many logs, so many are looked up at a time: the ring stays free for appends."""

_ANSWER_SECONDS = 4.0
"""What is asked is answered by then, before the 5 s after which a caller stops waiting."""

_SECONDS_PER_LOG = 0.004
"""So much more for each of many logs: a slow ring. Whoever stops waiting earlier and asks again finds the logs in memory that
were looked up until then."""


@asynccontextmanager
async def answered_in_time(logs: int = 1) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS + logs * _SECONDS_PER_LOG):
            yield
    except (CassandraUnavailable, TimeoutError) as error:
        logger.warning("log_store_read_failed", error=repr(error))
        raise StoreUnavailable(writing=False) from error


async def each(
    action: Callable[[Item], Awaitable[Result]], items: Sequence[Item], *, at_a_time: int = AT_A_TIME
) -> list[Result]:
    """Do something for each item, for a bounded number of them at a time. The first failure ends all."""
    results: dict[int, Result] = {}
    remaining = iter(enumerate(items))

    async def work() -> None:
        for index, item in remaining:
            results[index] = await action(item)

    if len(items) == 1:
        return [await action(items[0])]
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(len(items), at_a_time)):
                tasks.create_task(work())
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return [results[index] for index in range(len(items))]
