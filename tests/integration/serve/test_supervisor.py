"""The supervisor over small programs: order, restarts, the end."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from libs.runtime.errors import CannotStart, causes_of
from services.serve.keeper import Part
from services.serve.places import Places, taken
from services.serve.supervisor import supervise
from tests.support.ports import until
from tests.support.processes import running_children

SECONDS = 20.0
PROGRAM = """
def end(*_):
    say('down')
    sys.exit()
signal.signal(signal.SIGTERM, end)
say('up')
while True:
    signal.pause()
"""


class Stage:
    """Where parts run: each program tells what it does by writing to a file that all share."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.diary = places.data / "diary"
        self.diary.touch()
        self.told: list[str] = []
        self.pids: Mapping[str, int] = {}
        self.stop = asyncio.Event()
        self.kill = asyncio.Event()
        self.ready = asyncio.Event()

    def part(self, name: str, *needs: str, program: str = PROGRAM) -> Part:
        """A part that is ready once it has written `NAME up`. Its `program` may use `say`."""
        preamble = (
            "import os, signal, sys, time\n"
            f"def say(what): os.write(diary, f'{name} {{what}}\\n'.encode())\n"
            f"diary = os.open({str(self.diary)!r}, os.O_WRONLY | os.O_APPEND)\n"
        )

        async def ready() -> bool:
            return f"{name} up" in self.events

        return Part(
            name=name,
            command=[sys.executable, "-c", preamble + program],
            environment={},
            needs=needs,
            ready=ready,
            log=self.places.logs / f"{name}.log",
            lock=self.places.lock,
        )

    @property
    def events(self) -> list[str]:
        return self.diary.read_text().splitlines()

    async def on_ready(self, pids: Mapping[str, int]) -> None:
        self.pids = pids
        self.ready.set()

    async def run(self, parts: Sequence[Part]) -> None:
        await supervise(parts, stop=self.stop, kill=self.kill, ready=self.on_ready, tell=self.told.append)

    @asynccontextmanager
    async def running(self, *parts: Part) -> AsyncIterator[None]:
        """Run parts while the body runs, which begins when all are ready."""
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            group.create_task(self.run(parts))
            await self.ready.wait()
            yield
            self.stop.set()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with taken(tmp_path, lambda _: None) as places:
        yield Stage(places)


async def test_parts_start_when_what_they_need_is_ready_and_stop_in_reverse(stage: Stage) -> None:
    slow = f"time.sleep(0.3){PROGRAM}"
    async with stage.running(stage.part("bus", program=slow), stage.part("store", "bus"), stage.part("gate", "store")):
        assert stage.events == ["bus up", "store up", "gate up"]
        assert set(stage.pids) == {"bus", "store", "gate"}
        assert all(psutil.pid_exists(pid) for pid in stage.pids.values())
    assert stage.events[3:] == ["gate down", "store down", "bus down"]
    assert not any(psutil.pid_exists(pid) for pid in stage.pids.values())
    assert stage.told == []


async def test_a_part_that_dies_is_started_again_at_once_and_then_after_longer_and_longer_waits(stage: Stage) -> None:
    starts: list[float] = []
    async with stage.running(stage.part("store")):
        pid = stage.pids["store"]
        for count in (2, 3, 4):
            os.kill(pid, signal.SIGKILL)
            begun = time.monotonic()
            await until(lambda count=count: stage.events.count("store up") == count, "the part is up again")
            starts.append(time.monotonic() - begun)
            [pid] = [child.pid for child in running_children("say('up')")]
    assert "SIGKILL" in stage.told[0]
    assert [" in 0.2 s" in told for told in stage.told] == [False, True, False]
    assert " in 0.5 s" in stage.told[2]
    assert starts[2] > 0.5


async def test_a_part_whose_log_is_out_of_reach_is_started_again_when_it_is_back_and_holds_up_no_other(
    stage: Stage,
) -> None:
    async with stage.running(stage.part("bus"), stage.part("store")):
        away = stage.places.logs.rename(stage.places.data / "away")
        os.kill(stage.pids["store"], signal.SIGKILL)
        await until(lambda: any("store cannot be started" in told for told in stage.told), "it is told")
        assert psutil.pid_exists(stage.pids["bus"])
        away.rename(stage.places.logs)
        await until(lambda: stage.events.count("store up") == 2, "the part is up again")


async def test_a_part_that_cannot_start_ends_everything_with_its_reason(stage: Stage) -> None:
    broken = """sys.stderr.write('{"event":"cannot_start","error":"the database is locked"}\\n'); sys.exit(1)"""
    parts = [stage.part("bus"), stage.part("store", "bus", program=broken), stage.part("gate", "store")]
    with pytest.raises(ExceptionGroup) as caught:
        await stage.run(parts)
    [cause] = causes_of(caught.value)
    assert isinstance(cause, CannotStart)
    assert str(cause) == "store ended with exit code 1: the database is locked"
    assert stage.events == ["bus up", "bus down"], "nothing that needs it was started, and what ran was stopped"


async def test_the_last_words_of_a_part_that_crashes_at_start_are_shown(stage: Stage) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await stage.run([stage.part("store", program="1 / 0")])
    message = str(causes_of(caught.value)[0])
    assert "store ended with exit code 1" in message
    assert "ZeroDivisionError" in message


async def test_stopping_during_the_start_leaves_nothing(stage: Stage) -> None:
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(stage.run([stage.part("bus"), stage.part("store", "bus", program="signal.pause()")]))
        await until(lambda: "bus up" in stage.events, "the first part is up")
        stage.stop.set()
    assert not stage.ready.is_set()
    assert running_children(str(stage.diary)) == []


async def test_a_part_that_does_not_stop_is_killed_when_told_again(stage: Stage) -> None:
    deaf = "signal.signal(signal.SIGTERM, lambda *_: say('heard')); say('up')\nwhile True: signal.pause()"
    async with stage.running(stage.part("bus"), stage.part("deaf", program=deaf)):
        stage.stop.set()
        await until(lambda: "deaf heard" in stage.events, "it was asked to stop")
        assert psutil.pid_exists(stage.pids["bus"]), "what it may need still runs"
        stage.kill.set()
    assert not any(psutil.pid_exists(pid) for pid in stage.pids.values())
