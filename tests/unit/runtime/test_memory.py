"""What is told about memory again and again."""

import ctypes
import gc
import weakref

import psutil
import pytest

from libs.runtime.memory import keep_memory_settled
from libs.runtime.process import running
from tests.support.ports import until

_PIECES = 2_000
_PIECE_BYTES = 60_000  # of one that is cut from the heap


async def test_what_has_come_is_frozen_and_cycles_of_the_departed_are_found_at_a_thaw() -> None:
    class Guest:
        def __init__(self) -> None:
            self.me = self

    before = gc.get_freeze_count()
    guests = [Guest()]
    departed = weakref.ref(guests[0])
    try:
        async with running(keep_memory_settled(0, 10**9)):
            await until(lambda: gc.get_freeze_count() > before, "what came is frozen")
        guests.clear()
        gc.collect()
        assert departed() is not None, "it was frozen"
        async with running(keep_memory_settled(0, 1)):
            await until(lambda: departed() is None, "the cycle is found")
    finally:
        gc.unfreeze()


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library is not glibc")
async def test_what_is_free_below_what_is_held_is_given_back() -> None:
    pieces = [bytes([number % 256]) * _PIECE_BYTES for number in range(_PIECES)]
    held = psutil.Process().memory_info().rss
    del pieces[::2]
    del pieces[:-1]
    try:
        async with running(keep_memory_settled(0, 10**9, 1)):
            less = held - _PIECES * _PIECE_BYTES * 0.8
            await until(lambda: psutil.Process().memory_info().rss < less, "it is given back")
    finally:
        gc.unfreeze()
