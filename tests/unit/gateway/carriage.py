"""The door's end of a carrier: what its users are given, and how it came."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tertulia_internal.gateway.v1 import carrier_pb2

from services.gateway.audiences import Audiences
from services.gateway.carrier import Carried
from services.gateway.outbox import Outbox
from services.gateway.stats import Stats
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
        self.parts: Counter[str] = Counter()
        """How many parts of each kind came."""
        self._audiences = Audiences(self.outbox, stats)
        self._carried: dict[int, Carried] = {}
        self._wires: defaultdict[int, Wire] = defaultdict(Wire)
        self._members: defaultdict[int, set[int]] = defaultdict(set)
        self._untaken: Counter[int] = Counter()

    async def seat(self) -> tuple[Carried, Wire]:
        """A user's transport, whose hello was read, and what they hear."""
        handle = len(self._carried) + 1
        carried = self._carried[handle] = Carried(carrier_pb2.Attach(handle=handle), self._audiences, self.outbox)
        await carried.read()
        return carried, self._wires[handle]

    def take_all(self) -> None:
        """Everybody is given what waits for them."""
        for handle, size in self._untaken.items():
            self._carried[handle].taken(size)
        self._untaken.clear()

    def slow(self, handle: int) -> None:
        """A user does not read fast enough."""
        self._carried[handle].slow()

    async def write(self, data: bytes) -> None:
        await self.open.wait()
        for part in carrier_pb2.CarryResponse.FromString(data).parts:
            kind = part.WhichOneof("part") or ""
            self.parts[kind] += 1
            if kind == "user_frame":
                self._untaken[part.user_frame.handle] += len(part.user_frame.frame)
                self._wires[part.user_frame.handle].heard.MergeFromString(part.user_frame.frame)
            elif kind == "audience_change":
                self._members[part.audience_change.audience] |= set(part.audience_change.joined_handles)
                self._members[part.audience_change.audience] -= set(part.audience_change.left_handles)
            elif kind == "audience_frame":
                frame = part.audience_frame
                for handle in self._members[frame.audience] - set(frame.except_handles):
                    self._wires[handle].heard.MergeFromString(frame.frame)
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
