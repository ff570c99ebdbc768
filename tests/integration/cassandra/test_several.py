"""Several message_store processes under load: they come, go, die, and wake up too late. Nothing acknowledged is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.rpc.client import call
from libs.rpc.errors import TertuliaError, Unavailable
from tests.integration.message_store.process import item
from tests.integration.message_store.spread import SpreadLoad
from tests.support.log_keyspace import LogKeyspace
from tests.support.message_stores import MessageStores, message_stores

LOGS = 60
SECONDS = 30

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def stores(logs: LogKeyspace, tmp_path: Path) -> AsyncIterator[MessageStores]:
    async with message_stores(tmp_path, 2, logs.settings) as stores:
        yield stores


async def test_who_comes_and_who_leaves_is_hardly_noticed(stores: MessageStores) -> None:
    load = SpreadLoad(stores, LOGS)
    async with load.running():
        await stores.start(2)
        await stores.shared_by(0, 1, 2)
        assert await stores.processes[0].stop() == 0
        await stores.shared_by(1, 2)
    assert load.moves, "no writer had to look for an owner, or this showed nothing"
    assert "fencing" not in stores.logged(), "who leaves is asked for its shards, not fenced"


async def test_one_of_two_is_killed_and_comes_again(stores: MessageStores) -> None:
    load = SpreadLoad(stores, LOGS)
    async with load.running():
        await stores.processes[1].kill()
        await stores.shared_by(0)
        await load.all_acknowledged_since(time.monotonic(), load.logs)
        await stores.start(1)
        await stores.shared_by(0, 1)
    assert load.failures, "some were cut off, or this showed nothing"


async def test_who_sleeps_through_its_takeover_exits_without_acknowledging(stores: MessageStores) -> None:
    load = SpreadLoad(stores, LOGS)
    async with load.running():
        theirs = load.of_shards(await stores.owned_by(0))
        await stores.processes[0].freeze()
        stub = log_pb2_grpc.LogServiceStub(stores.channels[0])
        request = log_pb2.AppendRequest(items=[item("to the sleeper", log=theirs[0])])
        asked = asyncio.create_task(call(stub.Append, request, timeout=SECONDS))
        await load.all_acknowledged_since(time.monotonic(), load.logs, SECONDS)
        stores.processes[0].thaw()
        with pytest.raises(TertuliaError):
            await asked
        assert await stores.processes[0].ended() == 1, "it was fenced"


async def test_a_wrong_owner_says_where_to_go(stores: MessageStores) -> None:
    load = SpreadLoad(stores, LOGS)
    theirs = load.of_shards(await stores.owned_by(1))
    stub = log_pb2_grpc.LogServiceStub(stores.channels[0])
    response = await call(stub.Append, log_pb2.AppendRequest(items=[item("1", log=log) for log in load.logs]))
    refused = [
        log.log_id
        for log, result in zip(load.logs, response.results, strict=True)
        if result.refusal == log_pb2.APPEND_REFUSAL_WRONG_OWNER
    ]
    assert refused == [log.log_id for log in theirs]
    assert {owner.address for owner in response.owners} == {stores.processes[1].address}
    with pytest.raises(Unavailable) as refusal:
        await call(stub.Heads, log_pb2.HeadsRequest(logs=theirs))
    assert refusal.value.metadata["owner"] == stores.processes[1].address
