"""`python -m tests.cluster`: people talk through a real cluster while it is restarted, scaled, drained, upgraded and loses a node.

The dev overlay runs in the cluster that KUBECONFIG names (deploy/README.md), and its nodes' addresses lead there from here. Each
step says how long it took, how much was acknowledged meanwhile, the longest time in which nothing was, and how many sessions
moved to another gateway. At the end the checker of tests/faults goes over everything that was said and seen; the exit code is 0 when
nothing was lost, doubled or out of order, and all sessions came back.

    python -m tests.cluster --drain NODE                          and nothing else that depends on where the cluster runs
    … --lose NODE --break COMMAND --mend COMMAND                  what stops and starts its kubelet; for kind:
                                                                  --break "docker exec NODE systemctl stop kubelet"
    … --upgrade TAG                                               tertulia:TAG is on the nodes, too
    … --only upgrade                                              the steps that begin so; may be repeated
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tertulia.tokens import Secret

from tests.cluster.kubectl import back, drain, given_up, inhabited, restart, scale
from tests.cluster.outside import conversation, door, new_application
from tests.cluster.upgrade import upgrade
from tests.faults import workloads
from tests.faults.checker import check
from tests.faults.crowd import Crowd
from tests.faults.operations import Recorder
from tests.support.ports import until

_SERVICES = ("gateway", "channel", "presence", "web", "message-store")
_FEW = 50  # writes, that show that it goes on after a step
_PATIENCE_SECONDS = 120.0  # for these, and in the end for all readers to have all

_TALK = workloads.TALK._replace(pause_seconds=(0.0, 0.4))
"""Eight people, some 30 writes a second together: pauses are seen, and the machine has time for what the cluster does."""


class Step(NamedTuple):
    what: str
    do: Callable[[], Awaitable[None]]


class Pauses:
    """The longest time in which nothing was acknowledged."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._since = time.monotonic()
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            await acknowledged(self._recorder, 1)
            now = time.monotonic()
            self.longest, self._since = max(self.longest, now - self._since), now

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            watching.cancel()


def steps(chosen: argparse.Namespace, recorder: Recorder) -> Iterator[Step]:
    for service in _SERVICES:
        yield Step(f"restart {service}", partial(restart, service))
    for service, counts in (("gateway", (4, 2)), ("message-store", (1, 3, 1, 2))):
        for count in counts:
            yield Step(f"scale {service} to {count}", partial(scale, service, count))
    if chosen.drain:
        yield Step(f"drain {chosen.drain}", partial(drain, chosen.drain))
    if chosen.lose:
        yield Step(f"lose {chosen.lose}", partial(_lose, chosen.lose, chosen.break_node, chosen.mend_node))
    if chosen.upgrade:
        yield Step(
            f"upgrade to {chosen.upgrade}", partial(upgrade, chosen.upgrade, partial(acknowledged, recorder, 500))
        )


async def _lose(node: str, break_node: str, mend_node: str) -> None:
    await inhabited(node, [service for service in _SERVICES if service != "presence"])
    await _command(break_node)
    try:
        await given_up(node)
    finally:
        await _command(mend_node)
    await back(node)


async def _command(line: str) -> None:
    process = await asyncio.create_subprocess_shell(line)
    if await process.wait():
        raise RuntimeError(f"{line}: ended with {process.returncode}")


async def run(chosen: argparse.Namespace, folder: Path) -> int:
    secret = await new_application()
    async with door() as address:
        await conversation(address, secret)
        print(f"two people have talked by the command line, at {address}")
        return await _under_load(address, Secret.parse(secret), chosen, folder)


async def _under_load(address: str, secret: Secret, chosen: argparse.Namespace, folder: Path) -> int:
    recorder = Recorder(folder / "operations.jsonl")
    crowd = Crowd(address, _TALK, recorder, random.Random(), _PATIENCE_SECONDS, secret=secret)
    print("step | seconds | acknowledged | longest pause, s | sessions moved", flush=True)
    async with crowd.at_work():
        await acknowledged(recorder, _FEW)
        for step in steps(chosen, recorder):
            if not chosen.only or step.what.startswith(tuple(chosen.only)):
                await _taken(step, crowd)
    verdict = check(recorder.recording, await crowd.histories())
    violations = [*crowd.overdue, *verdict.violations]
    print(verdict.tally, *violations, sep="\n")
    print(f"{len(violations)} violations; {len(crowd.away)} sessions did not come back {crowd.away or ''}")
    return int(bool(violations or crowd.away))


async def _taken(step: Step, crowd: Crowd) -> None:
    recorder = crowd.recorder
    pauses, began, sessions, count = Pauses(recorder), time.monotonic(), crowd.sessions, recorder.acknowledged
    async with pauses.watched():
        await step.do()
        await acknowledged(recorder, _FEW)
    taken, more = time.monotonic() - began, recorder.acknowledged - count
    print(f"{step.what} | {taken:.1f} | {more} | {pauses.longest:.1f} | {crowd.sessions - sessions}", flush=True)


async def acknowledged(recorder: Recorder, more: int) -> None:
    due = recorder.acknowledged + more
    await until(lambda: recorder.acknowledged >= due, f"{more} more are acknowledged", _PATIENCE_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--drain", default="", metavar="NODE", help="a node to drain")
    parser.add_argument("--lose", default="", metavar="NODE", help="a node to lose; of no use without --break")
    parser.add_argument("--break", default="true", dest="break_node", metavar="COMMAND", help="stops its kubelet")
    parser.add_argument("--mend", default="true", dest="mend_node", metavar="COMMAND", help="starts it again")
    parser.add_argument("--upgrade", default="", metavar="TAG", help="of the image to go to")
    parser.add_argument("--only", action="append", default=[], metavar="STEP", help="what begins so")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
