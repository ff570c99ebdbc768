"""Calls find the owner of a log while shards change hands, and owners die or fall silent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc, owner_pb2, owner_pb2_grpc

from libs.http2.services import Services
from libs.log_owners import LogRouter, message_store_at
from libs.log_store import SHARDS, Shards, shard_of
from libs.rpc.errors import TertuliaError, Unavailable

KEYS = [log_pb2.LogKey(application_id="app", log_id=number.to_bytes(16)) for number in range(64)]
SECONDS = 5.0


class Store(log_pb2_grpc.LogServiceServicer, owner_pb2_grpc.OwnerServiceServicer):
    """A process that owns shards, and appends to all stores' logs."""

    def __init__(self, address: str, table: dict[int, str], lengths: dict[bytes, int]) -> None:
        self.address = address
        self.table = table
        self.lengths = lengths
        self.shards = Shards()
        self.shards.where = lambda shard: table.get(shard, "")
        self.silent = asyncio.Event()
        self.asked = 0
        self.listed = 0

    async def Append(self, request: log_pb2.AppendRequest, context: object) -> log_pb2.AppendResponse:
        self.asked += 1
        if self.silent.is_set():
            await asyncio.sleep(60)
        others: set[int] = set()
        results: list[log_pb2.AppendResult] = []
        for item in request.items:
            if self.shards.is_open(shard_of(item.log)):
                seq = self.lengths[item.log.log_id] = self.lengths.get(item.log.log_id, 0) + 1
                results.append(log_pb2.AppendResult(seq=seq))
            else:
                others.add(shard_of(item.log))
                results.append(log_pb2.AppendResult(refusal=log_pb2.APPEND_REFUSAL_WRONG_OWNER))
        owners = [log_pb2.ShardOwner(shard=shard, address=self.shards.where(shard)) for shard in others]
        return log_pb2.AppendResponse(results=results, owners=owners)

    async def Heads(self, request: log_pb2.HeadsRequest, context: object) -> log_pb2.HeadsResponse:
        self.asked += 1
        if self.silent.is_set():
            await asyncio.sleep(60)
        with self.shards.reading({shard_of(log) for log in request.logs}):
            heads = [log_pb2.Head(seq=self.lengths.get(log.log_id, 0)) for log in request.logs]
            return log_pb2.HeadsResponse(heads=heads)

    async def ListOwners(
        self,
        request: owner_pb2.ListOwnersRequest,
        context: object,
    ) -> owner_pb2.ListOwnersResponse:
        self.listed += 1
        if self.silent.is_set():
            await asyncio.sleep(60)
        shards: dict[str, list[int]] = {}
        for shard, address in self.table.items():
            shards.setdefault(address, []).append(shard)
        owners = [owner_pb2.ShardsOfOwner(address=address, shards=own) for address, own in shards.items()]
        return owner_pb2.ListOwnersResponse(owners=owners, address=self.address)


class World:
    """Three stores, of which the first is the one that is asked first."""

    def __init__(self, stores: Sequence[Store], router: LogRouter, table: dict[int, str]) -> None:
        self.stores = stores
        self.router = router
        self._table = table

    def move(self, shards: Sequence[int], to: Store) -> None:
        for store in self.stores:
            given = set(shards) & set(store.shards)
            store.shards.closed(given)
            store.shards.ended(given)
        self._table.update(dict.fromkeys(shards, to.address))
        to.shards.opened(shards)

    async def append(self, keys: Sequence[log_pb2.LogKey]) -> list[int]:
        outcomes = await self.router.append_all([log_pb2.AppendItem(log=key) for key in keys])
        for outcome in outcomes:
            if isinstance(outcome, TertuliaError):
                raise outcome
            assert not outcome.refusal
        return [outcome.seq for outcome in outcomes if isinstance(outcome, log_pb2.AppendResult)]

    async def heads(self, keys: Sequence[log_pb2.LogKey]) -> list[int]:
        return [head.seq for head in await self.router.heads(keys)]

    def owner(self, key: log_pb2.LogKey) -> Store:
        return next(store for store in self.stores if store.shards.is_open(shard_of(key)))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    table: dict[int, str] = {}
    lengths: dict[bytes, int] = {}
    async with AsyncExitStack() as stack:
        addresses = [f"unix:{tmp_path}/{number}" for number in range(3)]
        stores = [Store(address, table, lengths) for address in addresses]  # type: ignore[abstract] # the rest is not called
        for store in stores:
            services = Services(CollectorRegistry())
            log_pb2_grpc.add_LogServiceServicer_to_server(store, services)  # type: ignore[arg-type] # it has what is used
            owner_pb2_grpc.add_OwnerServiceServicer_to_server(store, services)  # type: ignore[arg-type] # likewise
            await stack.enter_async_context(services.served(store.address, [], 0))
        owners = await stack.enter_async_context(message_store_at(stores[0].address))
        world = World(stores, LogRouter(owners), table)
        world.move(range(SHARDS), stores[0])
        yield world


def split(world: World) -> None:
    """Give every store its part."""
    for number, store in enumerate(world.stores):
        world.move(range(number, SHARDS, 3), store)


async def test_one_owner_of_everything_is_never_asked_who_owns_what(world: World) -> None:
    assert await world.append(KEYS) == [1] * len(KEYS)
    assert await world.heads(KEYS) == [1] * len(KEYS)
    assert [(store.asked, store.listed) for store in world.stores] == [(2, 0), (0, 0), (0, 0)]


async def test_every_call_finds_the_owners_of_its_logs_and_answers_in_order(world: World) -> None:
    split(world)
    assert await world.append(KEYS) == [1] * len(KEYS)
    assert await world.append(KEYS[:10] * 2) == [2] * 10 + [3] * 10
    assert await world.heads(KEYS) == [3] * 10 + [1] * (len(KEYS) - 10)


async def test_who_refused_is_not_asked_again_for_the_same(world: World) -> None:
    split(world)
    await world.append(KEYS)
    asked = [store.asked for store in world.stores]
    await world.append(KEYS)
    assert [store.asked for store in world.stores] == [before + 1 for before in asked]


async def test_shards_that_change_hands_are_waited_for(world: World) -> None:
    split(world)
    await world.heads(KEYS)
    shard, owner = shard_of(KEYS[0]), world.owner(KEYS[0])
    owner.shards.closed({shard})
    asking = [asyncio.create_task(work) for work in (world.append(KEYS), world.heads(KEYS))]
    done, _ = await asyncio.wait(asking, timeout=0.2)
    assert not done
    world.move([shard], next(store for store in world.stores if store is not owner))
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*asking)


async def test_a_dead_owner_is_left_when_another_has_taken_over(world: World, tmp_path: Path) -> None:
    world.move(range(SHARDS), world.stores[1])
    await world.heads(KEYS)
    for shard in range(SHARDS):  # nobody listens there
        world.stores[1].table[shard] = f"unix:{tmp_path}/nowhere"
    world.router._owners._table = [f"unix:{tmp_path}/nowhere"] * SHARDS
    asking = [asyncio.create_task(work) for work in (world.append(KEYS), world.heads(KEYS))]
    done, _ = await asyncio.wait(asking, timeout=0.2)
    assert not done
    world.move(range(SHARDS), world.stores[2])
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*asking)


async def test_a_silent_owner_is_given_up_when_another_has_taken_over(world: World) -> None:
    world.move(range(SHARDS), world.stores[1])
    await world.heads(KEYS)
    world.stores[1].silent.set()
    begun = asyncio.get_running_loop().time()
    asking = [asyncio.create_task(work) for work in (world.append(KEYS), world.heads(KEYS))]
    await asyncio.sleep(0)
    world.move(range(SHARDS), world.stores[2])
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*asking)
    assert asyncio.get_running_loop().time() - begun < 3


async def test_with_no_owner_in_time_it_is_said_that_nothing_was_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.log_owners.router.CALL_SECONDS", 0.2)
    for store in world.stores:
        store.shards.closed(range(SHARDS))
    for work in (world.append(KEYS), world.heads(KEYS)):
        with pytest.raises(Unavailable) as refused:
            await work
        assert refused.value.metadata == {}, "addresses are nothing for clients"
