"""What a process takes, looked at several times a second."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import psutil

_LOOK_SECONDS = 0.5


class Footprint(NamedTuple):
    """At a time, or at the most during one."""

    mib: float
    """Resident."""
    cpu_percent: float
    """Of one core, on the average."""
    connections: int
    """That clients have open."""


class Watch:
    """Looks at a process; `most` is what it took at the most since the start, its CPU on the average."""

    def __init__(self, pid: int, port: int) -> None:
        self._process = psutil.Process(pid)
        self._port = port
        self._begun, self._cpu_before = time.monotonic(), self._cpu_seconds()
        self._mib, self._connections = 0.0, 0

    def look(self) -> None:
        open_now = sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == self._port
            for each in self._process.net_connections("tcp")
        )
        self._mib = max(self._mib, self._process.memory_info().rss / 2**20)
        self._connections = max(self._connections, open_now)

    def most(self) -> Footprint:
        percent = 100 * (self._cpu_seconds() - self._cpu_before) / (time.monotonic() - self._begun)
        return Footprint(self._mib, percent, self._connections)

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def watched(pid: int, port: int) -> AsyncIterator[Watch]:
    """While the body runs."""
    watch = Watch(pid, port)

    async def look() -> None:
        while True:
            watch.look()
            await asyncio.sleep(_LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield watch
    finally:
        looking.cancel()


async def footprint(pid: int, port: int, seconds: float) -> Footprint:
    """For so long."""
    async with watched(pid, port) as watch:
        await asyncio.sleep(seconds)
        return watch.most()
