"""Nemeses on the network: cuts one way and both ways, lost packets, late packets."""

import random

from tests.faults.nemeses import LEASE_SECONDS, SEVERAL, Calm
from tests.faults.network import Direction, missing
from tests.faults.stack import NATS, FaultStack, Shape

_LOSS = 0.05
_DELAY_SECONDS = 0.3


class Cut(Calm):
    """The owner, or all gateways, cannot reach a server, or are not reached by its answers, or both."""

    def __init__(self, service: str, server: str, direction: Direction) -> None:
        way = {Direction.OUT: "to", Direction.BACK: "from", Direction.BOTH: "off"}[direction]
        is_owner = service == "message_store"
        super().__init__(f"cut {'owner' if is_owner else service} {way} {server}", hold_seconds=6.0)
        if is_owner and server == "cassandra":
            self.shape = Shape(stores=SEVERAL)
            self.hold_seconds = LEASE_SECONDS
            self.takes_over = True
        self._service = service
        self._server = server
        self._direction = direction

    def missing(self) -> str | None:
        return missing()

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        parts = [name for name in stack.services if name.partition("-")[0] == self._service]
        if self._service == "message_store":
            parts = [await stack.owner(rng)]
        assert stack.network is not None
        for part in parts:
            stack.network.cut(stack.groups[part], stack.servers(self._server), self._direction)

    async def heal(self, stack: FaultStack) -> None:
        assert stack.network is not None
        stack.network.heal()


class Loss(Calm):
    """Of all packets between the services, 5 % are lost, both ways."""

    def __init__(self) -> None:
        super().__init__("5 % loss", hold_seconds=8.0)

    def missing(self) -> str | None:
        return missing()

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del rng
        assert stack.network is not None
        servers = [server for of in ("message_store", "channel", "presence", NATS) for server in stack.servers(of)]
        if stack.keyspace is not None:
            servers += stack.servers("cassandra")
        stack.network.lose(servers, _LOSS)

    async def heal(self, stack: FaultStack) -> None:
        assert stack.network is not None
        stack.network.heal()


class Delay(Calm):
    """What services say to message_store, channel, presence and NATS, and the answers, take 300 ms longer, each way."""

    def __init__(self) -> None:
        super().__init__(
            "300 ms delay", Shape(slow=frozenset({"message_store", "channel", "presence", NATS})), hold_seconds=8.0
        )

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del rng
        for link in stack.links.values():
            link.delay_seconds = _DELAY_SECONDS

    async def heal(self, stack: FaultStack) -> None:
        for link in stack.links.values():
            link.delay_seconds = 0.0
