"""`python -m tests.cluster --address HOST:PORT[,HOST:PORT]`: people talk through a cluster while it is restarted, scaled and drained.

The dev overlay is running there (deploy/README.md), KUBECONFIG and TERTULIA_SECRET are set, and the addresses lead to the gateways
from where this runs. Each step says how long it took, how many sends were acknowledged meanwhile, the longest time in which none
was, and how often sessions moved. At the end the checker of tests/faults goes over everything that was said and seen; the exit code
is 0 when nothing was lost, doubled or out of order.
"""

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

from tertulia.tokens import Secret

from tests.cluster.kubectl import drain, restart, scale
from tests.faults.checker import Outcome, check
from tests.faults.talkers import Talkers

_SERVICES = ("gateway", "channel", "presence", "web", "message-store")
_FEW = 50  # sends, that show that it goes on after a step


class Step(NamedTuple):
    what: str
    do: Callable[[], Awaitable[None]]


class Pauses:
    """The longest time in which no send was acknowledged."""

    def __init__(self, talkers: Talkers) -> None:
        self._talkers = talkers
        self._since = time.monotonic()
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            await self._talkers.acknowledged(1)
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


async def run(arguments: argparse.Namespace) -> int:
    secret = Secret.parse(os.environ["TERTULIA_SECRET"])
    channel_id = f"plaza-{secrets.token_hex(4)}"
    talkers = Talkers(arguments.address, channel_id, arguments.clients, secret)
    print("step | seconds | acknowledged | longest pause, s | sessions moved", flush=True)
    async with talkers.talking():
        await talkers.acknowledged(_FEW)
        for step in steps(arguments.drain, arguments.break_node, arguments.mend_node):
            await _taken(step, talkers)
    verdict = check(talkers.recording, await talkers.history())
    print(verdict)
    print(f"{talkers.moved} sessions moved, {verdict.readers} of {arguments.clients} readers saw the end")
    return 0 if not verdict.violations and verdict.readers == arguments.clients else 1


async def _taken(step: Step, talkers: Talkers) -> None:
    pauses, began, moved, count = Pauses(talkers), time.monotonic(), talkers.moved, _acknowledged(talkers)
    async with pauses.watched():
        await step.do()
        await talkers.acknowledged(_FEW)
    taken, more = time.monotonic() - began, _acknowledged(talkers) - count
    print(f"{step.what} | {taken:.1f} | {more} | {pauses.longest:.1f} | {talkers.moved - moved}", flush=True)


def _acknowledged(talkers: Talkers) -> int:
    return sum(send.outcome is Outcome.ACKNOWLEDGED for send in talkers.recording.sends)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("--address", required=True, help="of the gateways, from here")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--drain", default="", metavar="NODE", help="a node to drain")
    parser.add_argument("--break-node", default="", metavar="COMMAND", help="stops a node's kubelet")
    parser.add_argument("--mend-node", default="true", metavar="COMMAND", help="starts it again")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
