"""Whether what was acknowledged was on a disk: figures of a store that only says so would be worth nothing."""

import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.bench.revisions import Revision

_IN_MEMORY = {"tmpfs", "ramfs"}
_FSYNCS = 50
_PAGE_BYTES = 4096
_FULL = 2  # see https://sqlite.org/pragma.html#pragma_synchronous
_STRACE_SECONDS = 10

# Asks the writer's own connection, of the code that is measured: `synchronous` is a property of connections, not of files.
_ASK = """
import asyncio, json, sys
from pathlib import Path
from libs.sqlite import open_database

def settings(connection):
    return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")}

async def main():
    async with open_database(Path(sys.argv[1]) / "probe.sqlite", ()) as database:
        print(json.dumps(await database.write(settings)))

asyncio.run(main())
"""


class NotDurable(Exception):
    """Figures measured like this would not count."""


class Medium(NamedTuple):
    """Where the data are."""

    filesystem: str
    fdatasync_us: float
    """Of one page appended to a file, the median."""


def medium(directory: Path) -> Medium:
    """What an fsync costs in a directory.

    Raises:
        NotDurable: the directory is in memory.
    """
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    filesystem = next(
        mounts[parent] for parent in (directory.resolve(), *directory.resolve().parents) if parent in mounts
    )
    if filesystem in _IN_MEMORY:
        raise NotDurable(f"{directory} is in memory ({filesystem}); choose another with --directory")
    took = []
    with (directory / "fsyncs").open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            file.write(bytes(_PAGE_BYTES))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return Medium(filesystem, statistics.median(took) * 1e6)


def settings(revision: Revision, directory: Path) -> dict[str, object]:
    """How the store of a revision opens SQLite.

    Raises:
        NotDurable: not with synchronous=FULL and a write-ahead log.
    """
    asked = subprocess.run(
        [sys.executable, "-P", "-c", _ASK, str(directory)],
        env={**os.environ, **revision.environment},
        check=True,
        capture_output=True,
        timeout=30,
    )
    found: dict[str, object] = json.loads(asked.stdout)
    if found["synchronous"] != _FULL or found["journal_mode"] != "wal":
        raise NotDurable(f"{revision.name} opens SQLite with {found}")
    return found


class Flushes:
    """Counts the fsyncs of a process. `count` stays None where strace is missing or may not look."""

    count: int | None = None


@asynccontextmanager
async def flushes_counted(pid: int, directory: Path) -> AsyncIterator[Flushes]:
    """Watch a process while the body runs. It is much slower meanwhile: measure nothing."""
    flushes = Flushes()
    strace = shutil.which("strace")
    if strace is None:
        yield flushes
        return
    output = directory / "strace"
    process = await asyncio.create_subprocess_exec(
        strace, "-f", "-e", "trace=fsync,fdatasync", "-o", str(output), "-p", str(pid), stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(_STRACE_SECONDS):
            greeting = await process.stderr.readline()
        yield flushes
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        async with asyncio.timeout(_STRACE_SECONDS):
            await process.wait()
    if b"attached" in greeting:
        flushes.count = output.read_text("utf-8").count("sync(")
