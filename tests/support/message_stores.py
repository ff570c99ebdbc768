"""Several message_store processes that share the logs of a keyspace, with a NATS of theirs, and calls that find the owners."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2, owner_pb2, owner_pb2_grpc

from libs.bus import Bus
from libs.bus.nats import nats_bus
from libs.log_owners import LogRouter, Owners
from libs.log_store import SHARDS
from libs.rpc.client import call, open_channel
from libs.rpc.errors import TertuliaError
from tests.support.nats import NatsServer, nats_server
from tests.support.ports import until
from tests.support.service import ServiceProcess

_SHARING_SECONDS = 40.0  # with three of them starting on a busy machine
ELSEWHERE = ("unshare", "--pid", "--fork", "--kill-child")
"""Puts a process where the others cannot tell from its id that it died, as on another machine."""


class _Elsewhere(ServiceProcess):
    """A process as if on another machine."""

    def _command(self) -> tuple[str, ...]:
        return (*ELSEWHERE, *super()._command())


class MessageStores:
    """The processes, by number from 0, and their clients' view."""

    def __init__(
        self,
        folder: Path,
        nats: NatsServer,
        bus: Bus,
        processes: Sequence[ServiceProcess],
        channels: Sequence[grpc.aio.Channel],
    ) -> None:
        self._folder = folder
        self.nats = nats
        self.bus = bus
        self.processes = processes
        """Not all of them run: see `start`."""
        self.channels = channels
        self.owners = Owners(channels)
        self.router = LogRouter(self.owners)

    async def start(self, number: int) -> None:
        """Start one, first or again; it answers on return, but does not have its share yet."""
        await self.processes[number].start()

    def logged(self) -> str:
        """What all of them have logged."""
        return "".join(path.read_text() for path in self._folder.glob("store-*.log"))

    async def shares(self, number: int) -> Mapping[str, Sequence[int]]:
        """Who owns what, as one of them says: addresses to shards."""
        stub = owner_pb2_grpc.OwnerServiceStub(self.channels[number])
        response = await call(stub.ListOwners, owner_pb2.ListOwnersRequest())
        return {owner.address: list(owner.shards) for owner in response.owners}

    async def owned_by(self, number: int) -> Sequence[int]:
        """The shards of one of them, as it says itself."""
        return (await self.shares(number)).get(self.processes[number].address, [])

    async def shared_by(self, *numbers: int) -> None:
        """Wait until these own all shards, nobody much more than an even share."""

        async def shared() -> bool:
            try:
                owned = [await self.owned_by(number) for number in numbers]
            except TertuliaError:
                return False
            most = -(-SHARDS // len(numbers))
            return sorted(chain(*owned)) == list(range(SHARDS)) and max(map(len, owned)) <= most

        await until(shared, f"{len(numbers)} processes share the shards", _SHARING_SECONDS)

    async def append(self, *items: log_pb2.AppendItem) -> list[int]:
        """The seqs of items of which none may be refused."""
        results: list[int] = []
        for outcome in await self.router.append_all(items):
            if isinstance(outcome, TertuliaError):
                raise outcome
            assert not outcome.refusal, outcome
            results.append(outcome.seq)
        return results

    async def everything(self, log: log_pb2.LogKey) -> list[event_pb2.Event]:
        """The whole log, oldest first."""
        events: list[event_pb2.Event] = []
        while True:
            request = log_pb2.ReadRequest(log=log, from_seq=len(events) + 1, to_seq=1 << 50, limit=1_000)
            response = await self.router.read(request)
            if not response.events:
                return events
            events += map(event_pb2.Event.FromString, response.events)


@asynccontextmanager
async def message_stores(
    folder: Path, count: int, settings: Mapping[str, str], *, apart: bool = False
) -> AsyncIterator[MessageStores]:
    """So many of them, sharing the logs of a keyspace, and one more that can be started; `apart`: as if each were on a machine
    of its own (this needs root)."""
    assert not apart or shutil.which(ELSEWHERE[0]), "unshare of util-linux is needed"
    async with (
        nats_server() as nats,
        nats_bus(nats.address, "test", CollectorRegistry()) as bus,
        AsyncExitStack() as connections,
    ):
        addresses = [f"unix:{folder}/store-{number}.sock" for number in range(count + 1)]
        channels = [await connections.enter_async_context(open_channel(address)) for address in addresses]
        named = {**settings, "bus_address": nats.address}
        processes = [
            (_Elsewhere if apart else ServiceProcess)(
                "message_store", address, channel, folder / f"store-{number}.log", **named
            )
            for number, (address, channel) in enumerate(zip(addresses, channels, strict=True))
        ]
        stores = MessageStores(folder, nats, bus, processes, channels)
        connections.callback(stores.owners.close)
        try:
            for number in range(count):
                await stores.start(number)
            await stores.shared_by(*range(count))
            yield stores
        finally:
            async with asyncio.TaskGroup() as ending:
                for process in processes:
                    ending.create_task(process.kill())
