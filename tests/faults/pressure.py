"""A gateway under pressure: all its people come back at once, or two hundred of them stop reading.

`python -m tests.faults.pressure storm` and `… stalled` print the figures. Both end with a check that everybody has every message
that was acknowledged, once and in order.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.bench.rooms import make_rooms
from tests.support.ports import until
from tests.support.stack import ServeStack
from tests.support.stacks import serve_stack

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_MEMBERS = 10
_STORM_SESSIONS, _STORM_PROCESSES = 2_000, 2
_READERS = 200
_STOPPED_SECONDS = 60.0
_TEXT = "Where is my order? It was to come on Tuesday. " * 40  # 1.9 KB: what readers do not read is soon much
_PATIENCE_SECONDS = 180.0
_SETTLE_SECONDS = 15.0
"""After which memory that is let go is let go."""


class Readers:
    """The people of some rooms, in a process of their own: see many_clients."""

    def __init__(self, process: asyncio.subprocess.Process, people: int) -> None:
        self._process = process
        self._people = people
        self._online = 0
        self._seqs: Mapping[str, int] = {}
        self._faults: Sequence[str] = ()

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            self._online, self._seqs, self._faults = told["online"], told["seqs"], told["faults"]

    def all_online(self) -> bool:
        return self._online == self._people

    def any_lost(self) -> bool:
        return self._online < self._people

    def have(self, heads: Mapping[str, int]) -> bool:
        """Whether everybody has everything up to the head of their room."""
        assert not self._faults, self._faults
        return all(self._seqs[room] >= seq for room, seq in heads.items() if room in self._seqs)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)


@asynccontextmanager
async def readers(address: str, rooms: Mapping[str, Sequence[str]]) -> AsyncIterator[Readers]:
    """Everybody in these rooms online."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.many_clients", address),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(rooms).encode() + b"\n")
    crowd = Readers(process, sum(map(len, rooms.values())))
    listening = asyncio.create_task(crowd.listen())
    try:
        await until(crowd.all_online, "everybody is online", _PATIENCE_SECONDS)
        yield crowd
    finally:
        listening.cancel()
        process.kill()
        await process.wait()


class Speakers:
    """Somebody speaks in every room, through all that happens."""

    def __init__(self, address: str, rooms: Sequence[str], per_second: float) -> None:
        """`per_second`: messages, over all rooms."""
        self._address = address
        self._rooms = rooms
        self._pause_seconds = len(rooms) / per_second
        self.heads: dict[str, int] = {}
        """By room: the newest message that was acknowledged."""
        self.acknowledged = 0
        self.seconds: list[float] = []
        """How long each of them took."""

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """By one connection of the application's back end, which each speaker acts by."""
        async with tertulia.connect(self._address, token_provider=_server_token, receipts=False) as server:
            speaking = [asyncio.create_task(self._speak(server.acting_for(f"{room}-0"), room)) for room in self._rooms]
            try:
                yield
            finally:
                for task in speaking:
                    task.cancel()
                for outcome in await asyncio.gather(*speaking, return_exceptions=True):
                    if isinstance(outcome, Exception):
                        raise outcome

    async def _speak(self, actor: tertulia.Actor, room: str) -> None:
        while True:
            begun = time.monotonic()
            sent = await actor.send(room, _TEXT, timeout=_PATIENCE_SECONDS)
            self.heads[room] = sent.seq
            self.acknowledged += 1
            self.seconds.append(time.monotonic() - begun)
            await asyncio.sleep(self._pause_seconds)


async def _server_token() -> str:
    return _SECRET.server_token()


def _rooms(people: int) -> dict[str, list[str]]:
    return {
        f"room{number}": [f"room{number}-{member}" for member in range(_MEMBERS)]
        for number in range(people // _MEMBERS)
    }


async def storm(stack: ServeStack, times: int) -> str:
    """The only gateway is killed, and started again: until all of its people are back."""
    rooms = _rooms(_STORM_SESSIONS)
    await make_rooms(stack.address, rooms)
    names = list(rooms)
    parts = [{name: rooms[name] for name in names[first::_STORM_PROCESSES]} for first in range(_STORM_PROCESSES)]
    seconds: list[float] = []
    async with readers(stack.address, parts[0]) as some, readers(stack.address, parts[1]) as others:
        speakers = Speakers(stack.address, names[:50], per_second=20)
        async with speakers.at_work():
            for _ in range(times):
                await until(lambda: some.all_online() and others.all_online(), "all are online", _PATIENCE_SECONDS)
                begun = time.monotonic()
                stack.kill("gateway")
                await until(lambda: some.any_lost() and others.any_lost(), "they have lost it")
                await until(lambda: some.all_online() and others.all_online(), "all are back", _PATIENCE_SECONDS)
                seconds.append(time.monotonic() - begun)
        await until(
            lambda: some.have(speakers.heads) and others.have(speakers.heads), "all have all", _PATIENCE_SECONDS
        )
    return (
        f"{_STORM_SESSIONS} sessions lost their gateway {times} times, until all were back: "
        f"median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s; "
        f"{speakers.acknowledged} acknowledged meanwhile, everybody has each once and in order"
    )


async def stalled(stack: ServeStack, times: int) -> str:
    """Two hundred readers are stopped for a minute, while others read and all rooms are spoken in."""
    rooms = _rooms(2 * _READERS)
    await make_rooms(stack.address, rooms)
    names = list(rooms)
    half = len(names) // 2
    mib: list[list[float]] = []
    async with (
        readers(stack.address, {name: rooms[name] for name in names[:half]}) as stopped,
        readers(stack.address, {name: rooms[name] for name in names[half:]}) as honest,
    ):
        gateway = psutil.Process(stack.pid("gateway"))
        speakers = Speakers(stack.address, names, per_second=200)

        def memory() -> float:
            return gateway.memory_info().rss / 2**20

        async with speakers.at_work():
            for _ in range(times):
                await asyncio.sleep(_SETTLE_SECONDS)
                before, most = memory(), 0.0
                stopped.signal(signal.SIGSTOP)
                ends = time.monotonic() + _STOPPED_SECONDS
                while time.monotonic() < ends:
                    await asyncio.sleep(0.1)
                    most = max(most, memory())
                behind = dict(speakers.heads)
                await until(lambda: honest.have(behind), "the others are served meanwhile")  # noqa: B023 - awaited here
                stopped.signal(signal.SIGCONT)
                await until(lambda: stopped.have(behind), "they have caught up", _PATIENCE_SECONDS)  # noqa: B023 - awaited here
                await asyncio.sleep(_SETTLE_SECONDS)
                mib.append([before, most, memory()])
        await until(
            lambda: stopped.have(speakers.heads) and honest.have(speakers.heads), "all have all", _PATIENCE_SECONDS
        )
    told = "; ".join(f"{before:.0f} before, {most:.0f} at most, {after:.0f} after" for before, most, after in mib)
    late = sorted(speakers.seconds)[int(len(speakers.seconds) * 0.99)]
    return (
        f"{_READERS} of {2 * _READERS} readers stopped for {_STOPPED_SECONDS:.0f} s, at {speakers.acknowledged} messages of 1.9 KB; "
        f"MiB of the gateway: {told}; 99 % of all sends took less than {late * 1000:.0f} ms; everybody has each message once and in order"
    )


SCENARIOS = {"storm": storm, "stalled": stalled}


async def _figures(scenario: str, times: int, folder: Path) -> str:
    async with serve_stack(folder) as stack:
        return await SCENARIOS[scenario](stack, times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.pressure")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(_figures(arguments.scenario, arguments.times, Path(folder))))


if __name__ == "__main__":
    main()
