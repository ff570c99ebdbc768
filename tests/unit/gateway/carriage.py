"""The door's end of a carrier, for sessions that read from a `world`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tertulia_internal.gateway.v1 import carrier_pb2

from services.gateway.audiences import Audiences
from services.gateway.carrier import Carried
from services.gateway.outbox import Outbox
from services.gateway.stats import Stats
from tests.support.carried import CarriedUsers
from tests.unit.gateway.world import Wire


class Carriage:
    """Users by handle, each with a `Wire` that has heard what a stream of their own would have brought."""

    def __init__(self, queue_bytes: int, stats: Stats) -> None:
        self.outbox = Outbox(queue_bytes)
        self.open = asyncio.Event()
        self.open.set()
        """Cleared: the door reads nothing."""
        self.takes = True
        """False: no user is given anything."""
        self._users = CarriedUsers()
        self._audiences = Audiences(self.outbox, stats)
        self._carried: dict[int, Carried] = {}

    def parts(self, kind: str) -> int:
        """How many parts of a kind came."""
        return self._users.parts[kind]

    async def seat(self) -> tuple[Carried, Wire]:
        """A user's transport, whose hello was read, and what they hear."""
        handle = len(self._carried) + 1
        attach = carrier_pb2.Attach(handle=handle)
        carried = self._carried[handle] = Carried(attach, self._audiences, self.outbox, asyncio.Semaphore())
        await carried.read()
        wire = Wire()
        wire.heard = self._users.heard[handle]
        return carried, wire

    def take_all(self) -> None:
        """Everybody is given what waits for them."""
        for handle, size in self._users.untaken.items():
            self._carried[handle].taken(size)
        self._users.untaken.clear()

    def take_a_byte(self, handle: int) -> None:
        """A user is given the first of what waits."""
        self._users.untaken[handle] -= 1
        self._carried[handle].taken(1)

    def slow(self, handle: int) -> None:
        """A user does not read fast enough."""
        self._carried[handle].slow()

    async def write(self, data: bytes) -> None:
        await self.open.wait()
        self._users.take(carrier_pb2.CarryResponse.FromString(data))
        if self.takes:
            asyncio.get_running_loop().call_soon(self.take_all)


@asynccontextmanager
async def carriage(stats: Stats, queue_bytes: int = 1 << 20) -> AsyncIterator[Carriage]:
    """One that reads."""
    made = Carriage(queue_bytes, stats)
    writing = asyncio.create_task(made.outbox.run(made.write))
    try:
        yield made
    finally:
        writing.cancel()
