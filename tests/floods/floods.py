"""All floods, by name, and the process that makes one: `python -m tests.floods.floods NAME SECONDS PORT AUTHORITY`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import grpc

from tests.floods import calls, wire
from tests.floods.servers import Target
from tests.floods.tally import Attack, Tally

_START_SECONDS, _END_SECONDS = 90.0, 60.0  # on a busy machine


class Flood(NamedTuple):
    """An attack by so many workers at a time."""

    attack: Attack
    workers: int


FLOODS: Mapping[str, Flood] = {
    "connections that say nothing": Flood(wire.say_nothing, 5_500),
    "connections of one address": Flood(wire.say_nothing_from_one_machine, 5_500),
    "connections without TLS": Flood(wire.speak_http1, 50),
    "slow handshakes": Flood(wire.shake_hands_slowly, 500),
    "greeted, and no call": Flood(wire.stay, 500),
    "rapid resets": Flood(wire.frames(wire.rapid_reset), 10),
    "CONTINUATION": Flood(wire.frames(wire.continuation), 10),
    "large headers": Flood(wire.frames(wire.large_headers), 10),
    "PING": Flood(wire.frames(wire.ping), 10),
    "SETTINGS": Flood(wire.frames(wire.settings), 10),
    "frames too large": Flood(wire.frames(wire.large_frame), 10),
    "messages too large": Flood(wire.frames(wire.huge_message), 10),
    "calls that say nothing": Flood(wire.frames(wire.endless), 10),
    "sessions of one user": Flood(calls.open_sessions, 10),
    "sends beyond the rate": Flood(calls.send_too_much, 10),
    "forged tokens": Flood(calls.forge, 10),
    "readers that read nothing": Flood(calls.read_nothing, 100),
}


class FloodFailed(Exception):
    """The process that makes it ended badly."""


@asynccontextmanager
async def flooding(name: str, seconds: float, target: Target) -> AsyncIterator["asyncio.Task[Tally]"]:
    """It goes on for so long, in a process of its own; the task's result is what it was."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.floods.floods", name, str(seconds), str(target.port), str(target.authority)),
        stdout=asyncio.subprocess.PIPE,
    )

    stdout = process.stdout
    assert stdout is not None
    async with asyncio.timeout(_START_SECONDS):
        await stdout.readline()

    async def told() -> Tally:
        async with asyncio.timeout(seconds + _END_SECONDS):
            out = await stdout.read()
            await process.wait()
        if process.returncode != 0:
            raise FloodFailed(f"{name}: {process.returncode}")
        made, ended = map(int, out.split())
        return Tally(made, ended)

    task = asyncio.create_task(told())
    try:
        yield task
    finally:
        task.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _flood(flood: Flood, seconds: float, target: Target) -> Tally:
    tally = Tally()

    async def work() -> None:
        while True:
            with suppress(OSError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await flood.attack(target, tally)
            tally.ended += 1
            # an attack that ends before it waits would keep the others, and the end, from their turn
            await asyncio.sleep(0)

    workers = [asyncio.create_task(work()) for _ in range(flood.workers)]
    done, _ = await asyncio.wait(workers, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for worker in done:
        worker.result()  # they end by a mistake of ours only
    for worker in workers:
        worker.cancel()
    await asyncio.wait(workers, timeout=_END_SECONDS / 3)
    return tally


if __name__ == "__main__":
    print("it begins", flush=True)
    chosen, lasting, port, authority = sys.argv[1:]
    made = asyncio.run(_flood(FLOODS[chosen], float(lasting), Target(int(port), 0, Path(authority))))
    print(made.made, made.ended)
