"""Waits between tries."""

import asyncio
import random

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 3.0


class Backoff:
    """Each `await wait()` takes about twice as long as the one before, up to 3 s."""

    def __init__(self) -> None:
        self._seconds = _FIRST_SECONDS

    async def __call__(self) -> None:
        await asyncio.sleep(self._seconds * random.uniform(0.75, 1.25))  # noqa: S311 - jitter
        self._seconds = min(self._seconds * 2, _LONGEST_SECONDS)
