"""The other processes of message_store, as this one asks them for shards."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from tertulia_internal.message_store.v1 import owner_pb2, owner_pb2_grpc

from libs.http2.link import open_link
from libs.rpc.certificates import Certificates
from libs.rpc.client import call


class Peers:
    """Asks them. Connections are closed at the end."""

    def __init__(self, certificates: Certificates | None) -> None:
        self._certificates = certificates
        self._connections = AsyncExitStack()
        self._stubs: dict[str, owner_pb2_grpc.OwnerServiceAsyncStub] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.aclose()

    async def ask(self, address: str, shards: Sequence[int], heir: str) -> Mapping[int, int]:
        """As Ring.hand_over, of the process at an address. Raises TertuliaError."""
        stub = self._stubs.get(address)
        if stub is None:
            link = await self._connections.enter_async_context(open_link(address, self._certificates))
            stub = self._stubs[address] = owner_pb2_grpc.OwnerServiceStub(link)
        response = await call(stub.HandOver, owner_pb2.HandOverRequest(shards=shards, heir=heir))
        return {given.shard: given.epoch for given in response.given}
