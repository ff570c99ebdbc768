"""All of Tertulia as separate processes, made to be broken: each can be killed, stopped, cut off and composed otherwise.

What ends by itself (an owner that was fenced) is started again, as any supervisor would; what a nemesis has killed stays away
until it says so.
"""

import asyncio
import os
import random
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tertulia_internal.message_store.v1 import owner_pb2, owner_pb2_grpc

from libs.log_store.cassandra.heartbeats import State
from libs.rpc.client import call
from libs.rpc.errors import TertuliaError
from tests.faults.links import Link
from tests.faults.network import Network, Server
from tests.support.cassandra_ring import CassandraRing
from tests.support.cql import cql
from tests.support.log_keyspace import LogKeyspace
from tests.support.nats import NatsServer
from tests.support.ports import until
from tests.support.service import ServiceProcess

NATS = "nats-server"
_SUPERVISE_SECONDS = 0.1
_ASK_SECONDS = 1.0
_START_SECONDS = 60.0
_FENCED_CODE, _FENCED_WORDS = 1, b"Fenced"
"""How a message_store ends that others have taken over: any failure has the code, the log says which it was."""


class Shape(NamedTuple):
    """What a stack consists of."""

    stores: int = 1
    """Processes of message_store. On SQLite there is only one."""
    gateways: int = 2
    composed: Mapping[str, str] = {}
    """By service: a composition of `tests.faults.composed` that is run in its place."""
    environment: Mapping[str, Mapping[str, str]] = {}
    """By service: more environment."""
    slow: frozenset[str] = frozenset()
    """Services that are reached by way of a link, which a nemesis can make slow; for one message_store only."""
    disk: Path | None = None
    """Where message_store keeps SQLite's files. None: with all else."""


class FaultStack:
    """Its parts: `message_store`, `channel`, `presence`, `gateway`, of several `gateway-2` and so on, and `nats-server`."""

    def __init__(
        self,
        folder: Path,
        nats: NatsServer,
        services: dict[str, ServiceProcess],
        keyspace: LogKeyspace | None,
        ring: CassandraRing | None,
        network: Network | None,
        groups: Mapping[str, int],
        links: Mapping[str, Link],
    ) -> None:
        self.folder = folder
        self.nats = nats
        self.services = services
        self.keyspace = keyspace
        self.ring = ring
        """Where a nemesis may break it."""
        self.network = network
        self.groups = groups
        """By part: what the network knows its connections by."""
        self.links = links
        self.address = ",".join(each.address for name, each in services.items() if name.startswith("gateway"))
        self.logs = folder / "logs"
        """SQLite's files."""
        self.stores = [name for name in services if name.startswith("message_store")]
        self.restarts = 0
        """How often a message_store was started, beside the first time."""
        self.crashes: list[str] = []
        """What ended by itself, and not because it was fenced or told to."""
        self._away: set[str] = set()
        self._looked_into: dict[str, int] = {}
        """How much of the log of a part was there when it ended by itself last."""

    def pid(self, part: str) -> int:
        return self.nats.pid if part == NATS else self.services[part].pid

    def port(self, part: str) -> int:
        """The port of loopback where a part listens."""
        return self.nats.port if part == NATS else int(self.services[part].address.rpartition(":")[2])

    def servers(self, of: str) -> list[Server]:
        """Where those who use a service connect to; `cassandra`, too."""
        if of == "cassandra":
            assert self.keyspace is not None, "on SQLite nobody connects to Cassandra"
            points = self.ring.contact_points if self.ring is not None else [self.keyspace.point]
            return [Server(*point) for point in points]
        parts = [NATS] if of == NATS else [name for name in self.services if name.partition("-")[0] == of]
        return [Server("127.0.0.1", self.port(part)) for part in parts]

    async def kill(self, part: str) -> None:
        """kill -9. It stays away until it is started."""
        self._away.add(part)
        await (self.nats if part == NATS else self.services[part]).kill()

    async def terminate(self, part: str) -> None:
        """SIGTERM, and wait for its end. It stays away until it is started."""
        self._away.add(part)
        await self.services[part].stop()

    async def start(self, part: str) -> None:
        """Start what is away, and wait until it answers."""
        if part == NATS:
            await self.nats.start()
            return
        self.restarts += part in self.stores
        await self.services[part].launch()
        self._away.discard(part)  # from here on it is looked after
        await until(self.services[part].answers, f"{part} answers", _START_SECONDS)

    def stop(self, part: str) -> None:
        """SIGSTOP."""
        os.kill(self.pid(part), signal.SIGSTOP)

    def cont(self, part: str) -> None:
        """SIGCONT, if it is still there."""
        if part == NATS or self.services[part].running:
            os.kill(self.pid(part), signal.SIGCONT)

    async def renew_owners(self) -> None:
        """kill -9 of all message_stores: who owns the logs then knows of them what is in the database."""
        for part in self.stores:
            await self.kill(part)
        for part in self.stores:
            await self.start(part)

    async def owner(self, rng: random.Random) -> str:
        """A part that owns logs, as it says itself: whoever has just come back has none for some seconds."""
        owning = [part for part in self.stores if await self._owns_logs(part)]
        return rng.choice(owning or self.stores)

    async def _owns_logs(self, part: str) -> bool:
        stub = owner_pb2_grpc.OwnerServiceStub(self.services[part].channel)
        try:
            told = await call(stub.ListOwners, owner_pb2.ListOwnersRequest(), timeout=_ASK_SECONDS)
        except TertuliaError:
            return False
        return not told.owners or any(owner.address == told.address and owner.shards for owner in told.owners)

    async def takeovers(self) -> int:
        """How often logs were taken over: on Cassandra, from how many processes, be it that they were fenced or that they left."""
        if self.keyspace is None:
            return self.restarts
        async with cql(self.keyspace.point) as connection:
            fenced = await connection.query(f"SELECT incarnation FROM {self.keyspace.name}.fence")  # noqa: S608 - our own name
            beats = await connection.query(f"SELECT incarnation, state FROM {self.keyspace.name}.heartbeat")  # noqa: S608 - likewise
        left = {incarnation for incarnation, state in beats if state == State.STOPPED.value.encode()}
        return len(left | {incarnation for (incarnation,) in fenced})

    async def contents(self) -> bytes:
        """All bytes that the logs' database holds."""
        if self.keyspace is not None:
            return await self.keyspace.contents()
        return b"".join(path.read_bytes() for path in sorted(self.logs.glob("logs.sqlite*")))

    async def supervise(self) -> None:
        """Start what has ended by itself, for ever."""
        while True:
            for name, service in self.services.items():
                if name not in self._away and not service.running:
                    if not self._ended_well(name):
                        self.crashes.append(f"{name} ended with {service.exit_code}")
                    self.restarts += name in self.stores
                    await service.launch()
            await asyncio.sleep(_SUPERVISE_SECONDS)

    def _ended_well(self, part: str) -> bool:
        """Whether a part that ended by itself was to: it was told so, or was fenced."""
        log = (self.folder / f"{part}.log").read_bytes()
        new, self._looked_into[part] = log[self._looked_into.get(part, 0) :], len(log)
        code = self.services[part].exit_code
        return code == 0 or (part in self.stores and code == _FENCED_CODE and _FENCED_WORDS in new)

    async def launch_all(self) -> None:
        """Start everything; who owns shards may end by itself, and be started again, before all answer."""
        for service in self.services.values():
            await service.launch()

    async def all_answer(self) -> None:
        """Wait until everything does."""
        for part, service in self.services.items():
            await until(service.answers, f"{part} answers", _START_SECONDS)

    async def end(self) -> None:
        """kill -9 of everything that runs."""
        self._away.update(self.services)
        for name, service in self.services.items():
            self.cont(name)
            await service.kill()
