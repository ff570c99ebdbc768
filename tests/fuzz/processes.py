"""The processes of a stack before and after: the same ones, and not much larger."""

from typing import NamedTuple

import psutil

from tests.support.stack import SERVICES, ServeStack, Stack

MAX_GROWTH_BYTES = 64 * 1024 * 1024
"""Caches fill, and a process touches more of its code. A leak of what is sent shows in a longer run (`python -m tests.fuzz`)."""


class Footprint(NamedTuple):
    """A process at one time."""

    pid: int
    resident_bytes: int


def footprints(stack: Stack) -> dict[str, Footprint]:
    """Of every service that the stack has."""
    parts = [part for part in SERVICES if part != "web" or isinstance(stack, ServeStack)]
    return {part: Footprint(pid, psutil.Process(pid).memory_info().rss) for part in parts for pid in [stack.pid(part)]}


def compare(before: dict[str, Footprint], after: dict[str, Footprint]) -> None:
    """Fails if a process died, or grew by more than it may."""
    for part, then in before.items():
        now = after[part]
        assert now.pid == then.pid, f"{part} has died meanwhile"
        grown = now.resident_bytes - then.resident_bytes
        assert grown < MAX_GROWTH_BYTES, f"{part} grew by {grown:,} bytes to {now.resident_bytes:,}"
