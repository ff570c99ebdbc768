"""Batches that grow with load and vanish without it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Generic, TypeVar

Item = TypeVar("Item")


class OneInFlight(Generic[Item]):
    """Carries items out in batches, one at a time; what arrives meanwhile forms the next. There is no timer.

    `carry_out` deals with all failures by itself. A batch holds at most `batch` items, `waiting` may wait for their turn.
    """

    def __init__(self, carry_out: Callable[[list[Item]], Awaitable[None]], *, batch: int, waiting: int) -> None:
        self._carry_out = carry_out
        self._batch = batch
        self._limit = waiting
        self._waiting: dict[Item, None] = {}
        self._wake = asyncio.Event()

    def add(self, item: Item) -> bool:
        """False: too much is waiting, the item was not taken. One that waits already is taken once."""
        if len(self._waiting) >= self._limit:
            return False
        self._waiting[item] = None
        self._wake.set()
        return True

    def add_all(self, items: Iterable[Item]) -> None:
        """Add items of which there is a bounded number anyway, whatever is waiting."""
        self._waiting.update(dict.fromkeys(items))
        self._wake.set()

    async def run(self) -> None:
        """Carry items out, for ever."""
        while True:
            await self._wake.wait()
            batch = list(islice(self._waiting, self._batch))
            for item in batch:
                del self._waiting[item]
            if not self._waiting:
                self._wake.clear()
            if batch:
                await self._carry_out(batch)
