"""What breaks processes. A nemesis strikes, holds on for a while and heals; then the stack must mend by itself."""

import asyncio
import itertools
import random
from pathlib import Path
from typing import Protocol

import psutil

from tests.faults.stack import NATS, FaultStack, Shape
from tests.support.ports import until


class Nemesis(Protocol):
    """Breaks one thing."""

    name: str
    shape: Shape
    """The stack that it needs."""
    hold_seconds: float
    """How long the thing stays broken."""
    takes_over: bool
    """Each blow makes somebody take the logs over."""

    def missing(self) -> str | None:
        """Why it cannot be done on this machine; None: it can."""

    def prepare(self, folder: Path) -> None:
        """Called first, with the folder of the run."""

    def clean(self) -> None:
        """Called last, if it was prepared."""

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        """Break it. Returns when it is broken, or when all that it does is done."""

    async def heal(self, stack: FaultStack) -> None:
        """Mend what does not mend by itself. Returns when nothing is broken any more from outside."""


class Calm:
    """What most nemeses have in common. By itself it breaks nothing: it shows what a stack is that nobody breaks, or one that
    is composed of other parts."""

    def __init__(self, name: str = "nobody", shape: Shape | None = None, hold_seconds: float = 0.5) -> None:
        self.name = name
        self.shape = shape or Shape()
        self.hold_seconds = hold_seconds
        self.takes_over = False

    def missing(self) -> str | None:
        return None

    def prepare(self, folder: Path) -> None:
        pass

    def clean(self) -> None:
        pass

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        pass

    async def heal(self, stack: FaultStack) -> None:
        pass


class Kill(Calm):
    """kill -9 of one process of a service, which comes back after a while."""

    def __init__(self, service: str, stores: int = 1) -> None:
        super().__init__(f"kill {service}" + f" of {stores}" * (stores > 1), Shape(stores=stores))
        self.takes_over = service == "message_store"
        self._service = service
        self._killed: list[str] = []

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        part = await self._one(stack, rng)
        await stack.kill(part)
        self._killed.append(part)

    async def _one(self, stack: FaultStack, rng: random.Random) -> str:
        if self._service == "message_store":
            return await stack.owner(rng)
        if self._service == NATS:
            return NATS
        return rng.choice([name for name in stack.services if name.startswith(self._service)])

    async def heal(self, stack: FaultStack) -> None:
        while self._killed:
            await stack.start(self._killed.pop())


SEVERAL = 3
"""So many processes share the logs where one of them is stopped, cut off or killed."""

LEASE_SECONDS = 8.0
"""Longer than an owner's lease: it is suspected after 3 s, then another one has to fence it, take over and recover."""


class StopOwner(Calm):
    """SIGSTOP of the owner for longer than its lease; another one takes over. Woken, it must find out that it is fenced."""

    def __init__(self) -> None:
        super().__init__("stop owner", Shape(stores=SEVERAL), LEASE_SECONDS)
        self.takes_over = True
        self._stopped: list[str] = []

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        part = await stack.owner(rng)
        stack.stop(part)
        self._stopped.append(part)

    async def heal(self, stack: FaultStack) -> None:
        while self._stopped:
            stack.cont(self._stopped.pop())


class StopOwnerAt(StopOwner):
    """The same, at a place between the write of a flush and its acknowledgement where the owner, composed so, stops itself."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.name = f"{where.replace('-', ' ')} of owner"
        self.shape = Shape(stores=SEVERAL, composed={"message_store": "stops"})
        self._where = where

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del rng
        (stack.folder / self._where).touch()
        await until(lambda: bool(_stopped(stack)), f"an owner comes to where it is to {self._where}")
        self._stopped += _stopped(stack)


def _stopped(stack: FaultStack) -> list[str]:
    return [part for part in stack.stores if psutil.Process(stack.pid(part)).status() == psutil.STATUS_STOPPED]


class KillEach(Calm):
    """kill -9 of one process after the other, one at each blow."""

    def __init__(self, *services: str) -> None:
        super().__init__("kill each in turn")
        self._turns = itertools.cycle([Kill(service) for service in services])
        self._now: Kill | None = None

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        self._now = next(self._turns)
        await self._now.strike(stack, rng)

    async def heal(self, stack: FaultStack) -> None:
        assert self._now is not None
        await self._now.heal(stack)


class StopNats(Calm):
    """NATS takes everything and does nothing."""

    def __init__(self) -> None:
        super().__init__("stop nats", hold_seconds=3.0)

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del rng
        await stack.nats.freeze()

    async def heal(self, stack: FaultStack) -> None:
        await stack.nats.thaw()


class Rolling(Calm):
    """Every process is stopped gracefully and started again, one after the other."""

    def __init__(self, stores: int = 1) -> None:
        super().__init__("rolling restart", Shape(stores=stores))
        self.takes_over = True

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del rng
        for part in stack.services:
            await stack.terminate(part)
            await stack.start(part)


class KillNode(Calm):
    """kill -9 of one Cassandra node of three, which comes back with its data."""

    def __init__(self, stores: int = 1) -> None:
        super().__init__("kill node", Shape(stores=stores), hold_seconds=3.0)
        self._killed: list[int] = []

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        assert stack.ring is not None, "this nemesis is for a ring"
        number = rng.randrange(len(stack.ring.nodes))
        await stack.ring.nodes[number].kill()
        self._killed.append(number)

    async def heal(self, stack: FaultStack) -> None:
        assert stack.ring is not None
        while self._killed:
            await stack.ring.nodes[self._killed.pop()].start()
        await stack.ring.settled()


class Pair:
    """Two at once."""

    def __init__(self, first: Nemesis, second: Nemesis) -> None:
        self.name = f"{first.name} + {second.name}"
        self.shape = first.shape if first.shape.stores >= second.shape.stores else second.shape
        self.hold_seconds = max(first.hold_seconds, second.hold_seconds)
        self.takes_over = first.takes_over or second.takes_over
        self._both = first, second

    def missing(self) -> str | None:
        return next((reason for each in self._both if (reason := each.missing())), None)

    def prepare(self, folder: Path) -> None:
        for each in self._both:
            each.prepare(folder)

    def clean(self) -> None:
        for each in self._both:
            each.clean()

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        for each in self._both:
            await each.strike(stack, rng)
            await asyncio.sleep(rng.uniform(0.0, 0.5))  # not at the same moment each time

    async def heal(self, stack: FaultStack) -> None:
        for each in reversed(self._both):  # what a service needs to start is there again before it
            await each.heal(stack)
