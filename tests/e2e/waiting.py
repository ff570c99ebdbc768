"""Waiting for what a client is told."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import tertulia

Wanted = TypeVar("Wanted")


async def next_of(
    client: tertulia.Client, kind: type[Wanted], such: Callable[[Wanted], bool] = lambda _: True
) -> Wanted:
    """The next event of a kind, passing over others."""
    async with asyncio.timeout(20):
        async for event in client.events():
            if isinstance(event, kind) and such(event):
                return event
    raise AssertionError(f"the client ended before {kind.__name__}")
