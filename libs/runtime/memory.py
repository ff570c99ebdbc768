"""What Python and the C library do about memory, told to them once or again and again."""

import asyncio
import ctypes
import gc
import itertools

_SETTLE_SECONDS = 2.0  # where nothing has come, it costs half a millisecond
_SETTLES_PER_THAW = 300  # every ten minutes: it takes 15 ms per 1,000 sessions, and nothing else runs meanwhile
_SETTLES_PER_TRIM = 5  # every ten seconds: half a millisecond, or 14 where 140 MB are given back


def settle_memory() -> None:
    """Call once everything is built: objects that live as long as the process are no longer looked at by the collector."""
    gc.collect()
    gc.freeze()


async def keep_memory_settled(
    seconds: float = _SETTLE_SECONDS, per_thaw: int = _SETTLES_PER_THAW, per_trim: int = _SETTLES_PER_TRIM
) -> None:
    """The same again and again, for ever: for processes that hold many objects which come and stay, as sessions do.

    After a freeze nothing counts as old, so that the collector looks through all that came since at nearly every third step:
    15 % of a gateway with 1,000 sessions. What was frozen is looked through at each `per_thaw`-th time, for cycles of the departed.
    What is free is given back to the system at each `per_trim`-th.
    """
    for settled in itertools.count(1):
        await asyncio.sleep(seconds)
        if settled % per_thaw == 0:
            gc.unfreeze()
        settle_memory()
        if settled % per_trim == 0:
            _trim()


def _trim() -> None:
    """glibc keeps what is free below anything that is held: a gateway went on with 240 MB after a flood of connections had gone.
    Other C libraries have no such door."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
