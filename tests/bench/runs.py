"""Runs rows against servers, each in a generator of its own, and holds them against what the servers count."""

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from tests.bench.durability import NotDurable, flushes_counted
from tests.bench.job import Job, Outcome
from tests.bench.servers import Servers

_GENERATOR_SECONDS = 1_800  # to prepare (100,000 channels take many minutes), and to settle afterwards
_APPENDS = "tertulia_log_appends_total"
_COMMITS = "tertulia_log_commits"
_PROBE_SECONDS = 1.0


async def run_row(servers: Servers, row: str, seconds: float, per_connection: int, size: int = 0) -> Outcome:
    """Measure a row.

    Raises:
        RuntimeError, TimeoutError: the generator failed.
    """
    before = await servers.store_metrics()
    outcome = await _generate(Job(row, servers.address, dict(servers.pids), seconds, per_connection, size))
    after = await servers.store_metrics()
    outcome.counts["appends"] = after[_APPENDS] - before[_APPENDS]
    outcome.counts["commits"] = after[_COMMITS] - before[_COMMITS]
    outcome.faults += unpaid(row, outcome.counts)
    return outcome


def unpaid(row: str, counts: dict[str, float]) -> list[str]:
    """What the store's own counts contradict."""
    sends = counts.get("sends", 0)
    faults = []
    if sends > counts["appends"]:
        faults.append(f"{sends:.0f} sends were acknowledged, but only {counts['appends']:.0f} events appended")
    if sends and not counts["commits"]:
        faults.append("sends were acknowledged without a commit")
    if row == "W3-1" and sends > counts["commits"]:
        faults.append(f"{sends:.0f} sends, one at a time, took only {counts['commits']:.0f} commits")
    return faults


async def prove_flushes(servers: Servers, directory: Path) -> str:
    """Watch the store's fsyncs while messages are sent one at a time. Returns what was seen.

    Raises:
        NotDurable: there were fewer of them than acknowledgements.
    """
    async with flushes_counted(servers.pids["message_store"], directory) as flushes:
        outcome = await _generate(Job("W3-1", servers.address, dict(servers.pids), _PROBE_SECONDS, 1))
    sends = int(outcome.counts["sends"])
    if flushes.count is None:
        return "fsyncs were not watched (strace is missing, or may not look)"
    if flushes.count < sends or not sends:
        raise NotDurable(f"{sends} sends, one at a time, were acknowledged with {flushes.count} fsyncs")
    return f"{sends} sends, one at a time: {flushes.count} fsyncs"


async def _generate(job: Job) -> Outcome:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.generator",
        json.dumps(dataclasses.asdict(job)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_GENERATOR_SECONDS + job.seconds):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"the generator of {job.row} ended with {process.returncode}")
    return Outcome(**json.loads(out))
