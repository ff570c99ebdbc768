"""Which process of message_store owns which shard, as far as it is known here, and the connections to them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import structlog
from tertulia_internal.message_store.v1 import log_pb2_grpc, owner_pb2, owner_pb2_grpc

from libs.http2.link import Link, as_channel, open_link
from libs.log_store.types import SHARDS
from libs.rpc.certificates import Certificates
from libs.rpc.client import call
from libs.rpc.errors import TertuliaError

log = structlog.get_logger()

ANYBODY = ""
"""The address of whoever is asked first, and of all as long as one process owns everything."""

_ASK_SECONDS = 1.0
_LATER_SECONDS = 0.2
"""How much later than the first one others are still heard. Who has just taken shards over says so best, and recovers logs meanwhile."""


class Owners:
    """A table from shard to address. It is asked for only when somebody refused or did not answer: with one owner of everything,
    never."""

    def __init__(self, first: Sequence[grpc.aio.Channel], certificates: Certificates | None = None) -> None:
        """`first`: connections to processes of message_store, any of which may be asked for the table."""
        self._certificates = certificates
        self._first = list(first)
        self._table: list[str] | None = None
        """None: one process owns everything, as far as known."""
        self._links: dict[str, Link] = {}
        self._stubs: dict[str, log_pb2_grpc.LogServiceAsyncStub] = {}
        self._asking: asyncio.Task[None] | None = None

    @property
    def one(self) -> bool:
        """Whether one process owns everything."""
        return self._table is None

    @property
    def others(self) -> bool:
        """Whether there may be others to be asked, where one does not answer."""
        return self._table is not None or len(self._first) > 1

    def of(self, shard: int) -> str:
        """The address of a shard's owner; ANYBODY: not known."""
        return ANYBODY if self._table is None else self._table[shard]

    def learn(self, shard: int, address: str) -> None:
        """Somebody who should know said who owns a shard."""
        if self._table is None:
            self._table = [ANYBODY] * SHARDS
        self._table[shard] = address

    def stub(self, address: str) -> "log_pb2_grpc.LogServiceAsyncStub":
        """LogService at an address."""
        stub = self._stubs.get(address)
        if stub is None:
            stub = self._stubs[address] = log_pb2_grpc.LogServiceStub(self._channel(address))
        return stub

    async def refresh(self) -> None:
        """Ask all for the table anew; those who want to know meanwhile share the answer. Without one the table stays as it is."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._refresh())
            self._asking.add_done_callback(self._asked)
        await asyncio.shield(self._asking)

    def _asked(self, _: "asyncio.Task[None]") -> None:
        self._asking = None

    async def _refresh(self) -> None:
        known = set(self._table or ()) - {ANYBODY}
        channels = [*self._first, *map(self._channel, known)]
        asking = [asyncio.create_task(_list_owners(channel)) for channel in channels]
        try:
            some, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
            if len(some) < len(asking):
                await asyncio.wait(asking, timeout=_LATER_SECONDS)
            answers = [task.result() for task in asking if task.done()]
            if not any(answers):  # those who are gone say so first
                await asyncio.wait(asking)
                answers = [task.result() for task in asking]
        finally:
            for task in asking:
                task.cancel()
        told = [answer for answer in answers if answer is not None]
        if told:
            self._table = _table(told)

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address == ANYBODY:
            return self._first[0]
        link = self._links.get(address)
        if link is None:
            link = self._links[address] = Link(address, self._certificates)
        return as_channel(link)

    def close(self) -> None:
        """Close the connections to addresses that were learnt."""
        if self._asking is not None:
            self._asking.cancel()
        for link in self._links.values():
            link.close()


async def _list_owners(channel: grpc.aio.Channel) -> owner_pb2.ListOwnersResponse | None:
    """None: it does not tell."""
    try:
        stub = owner_pb2_grpc.OwnerServiceStub(channel)
        return await call(stub.ListOwners, owner_pb2.ListOwnersRequest(), timeout=_ASK_SECONDS)
    except TertuliaError as error:
        log.debug("owners_not_told", error=str(error))
        return None


def _table(answers: Sequence[owner_pb2.ListOwnersResponse]) -> list[str] | None:
    """What all say; each knows best what it has itself."""
    if not any(answer.owners for answer in answers):
        return None
    table = [ANYBODY] * SHARDS
    for own in (False, True):
        for answer in answers:
            for owner in answer.owners:
                if own == (owner.address == answer.address):
                    for shard in owner.shards:
                        table[shard] = owner.address
    return table


@asynccontextmanager
async def message_store_at(addresses: str, certificates: Certificates | None = None) -> AsyncIterator[Owners]:
    """The processes of message_store, to begin with those at some addresses, with commas between them."""
    async with AsyncExitStack() as connections:
        links = [
            await connections.enter_async_context(open_link(part.strip(), certificates))
            for part in addresses.split(",")
        ]
        owners = Owners(links, certificates)
        try:
            yield owners
        finally:
            owners.close()
