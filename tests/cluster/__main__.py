"""`python -m tests.cluster --address HOST:PORT[,HOST:PORT]`: people talk through a cluster while it is restarted, scaled and drained.

The dev overlay is running there (deploy/README.md), KUBECONFIG and TERTULIA_SECRET are set, and the addresses lead to the gateways
from where this runs. Each step says how long it took, how much was acknowledged meanwhile, the longest time in which none
was, and how often sessions moved. At the end the checker of tests/faults goes over everything that was said and seen; the exit code
is 0 when nothing was lost, doubled or out of order.
"""

import argparse
import asyncio
import os
import random
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tertulia.tokens import Secret

from tests.cluster.kubectl import drain, restart, scale
from tests.faults import workloads
from tests.faults.checker import check
from tests.faults.crowd import Crowd
from tests.faults.operations import Recorder
from tests.support.ports import until

_SERVICES = ("gateway", "channel", "presence", "web", "message-store")
_FEW = 50  # writes, that show that it goes on after a step
_PATIENCE_SECONDS = 120.0  # for these, and in the end for all readers to have all


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
            await _acknowledged(self._recorder, 1)
            now = time.monotonic()
            self.longest, self._since = max(self.longest, now - self._since), now

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self.watch())
        try:
            yield
        finally:
            watching.cancel()


def steps(node: str, break_node: str, mend_node: str) -> list[Step]:
    async def command(line: str) -> None:
        process = await asyncio.create_subprocess_shell(line)
        await process.wait()

    async def lose_a_node() -> None:
        await command(break_node)
        await asyncio.sleep(60)  # it is noticed, given up, and its pods are made anew elsewhere
        await command(mend_node)

    planned = [Step(f"restart {service}", partial(restart, service)) for service in _SERVICES]
    for service, counts in (("gateway", (4, 2)), ("message-store", (1, 3, 1))):
        planned += [Step(f"scale {service} to {count}", partial(scale, service, count)) for count in counts]
    if node:
        planned.append(Step(f"drain {node}", partial(drain, node)))
    if break_node:
        planned.append(Step("lose a node", lose_a_node))
    return planned


async def run(arguments: argparse.Namespace, folder: Path) -> int:
    secret = Secret.parse(os.environ["TERTULIA_SECRET"])
    recorder = Recorder(folder / "operations.jsonl")
    crowd = Crowd(
        arguments.address,
        workloads.TALK,
        recorder,
        random.Random(),
        _PATIENCE_SECONDS,
        secret=secret,
        channels=[f"plaza-{secrets.token_hex(4)}"],
    )
    print("step | seconds | acknowledged | longest pause, s | sessions moved", flush=True)
    async with crowd.at_work():
        await _acknowledged(recorder, _FEW)
        for step in steps(arguments.drain, arguments.break_node, arguments.mend_node):
            await _taken(step, crowd)
    verdict = check(recorder.recording, await crowd.histories())
    violations = [*crowd.overdue, *verdict.violations]
    print(verdict.tally, *violations, sep="\n")
    return int(bool(violations))


async def _taken(step: Step, crowd: Crowd) -> None:
    recorder = crowd.recorder
    pauses, began, sessions, count = Pauses(recorder), time.monotonic(), crowd.sessions, recorder.acknowledged
    async with pauses.watched():
        await step.do()
        await _acknowledged(recorder, _FEW)
    taken, more = time.monotonic() - began, recorder.acknowledged - count
    print(f"{step.what} | {taken:.1f} | {more} | {pauses.longest:.1f} | {crowd.sessions - sessions}", flush=True)


async def _acknowledged(recorder: Recorder, more: int) -> None:
    due = recorder.acknowledged + more
    await until(lambda: recorder.acknowledged >= due, f"{more} more are acknowledged", _PATIENCE_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--address", required=True, help="of the gateways, from here")
    parser.add_argument("--drain", default="", metavar="NODE", help="a node to drain")
    parser.add_argument("--break-node", default="", metavar="COMMAND", help="stops a node's kubelet")
    parser.add_argument("--mend-node", default="true", metavar="COMMAND", help="starts it again")
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
