"""Processes that own logs, several of them in the process of a test, each with a session that can be made faulty."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

from libs.log_store import Fenced, LogStore, Ring
from libs.log_store.cassandra import Incarnation, Member, cassandra_log_store
from libs.log_store.cassandra.heartbeats import WRITE_HEARTBEAT
from libs.rpc.status import unavailable
from tests.integration.cassandra.faulty import Fault, FaultySession
from tests.support.log_keyspace import LogKeyspace

EVERYTHING = 1 << 40
SECONDS = 20


class Owner(NamedTuple):
    store: LogStore
    ring: Ring
    session: FaultySession
    incarnation: str

    async def fall_silent(self) -> None:
        """From now on the others hear no heartbeat of it; its own work goes on."""
        self.session.always(WRITE_HEARTBEAT, Fault.LOST)


@asynccontextmanager
async def owner(
    logs: LogKeyspace, prepare: Callable[[FaultySession], None] = lambda _: None, bus: str = "bus"
) -> AsyncIterator[Owner]:
    """A process that owns the logs, or its share of them, as soon as it can. `prepare` is called before it tries."""
    async with logs.session() as session:
        faulty = FaultySession(session)
        prepare(faulty)
        async with _owner(faulty, bus) as it:
            yield it


_rings: dict[str, Ring] = {}
"""By address, which is the incarnation here: how the processes of a test reach each other."""


async def ask(address: str, shards: Sequence[int], heir: str) -> Mapping[int, int]:
    if address not in _rings:
        raise unavailable("a process that has ended")
    return await _rings[address].hand_over(shards, heir)


@asynccontextmanager
async def _owner(session: FaultySession, bus: str = "bus") -> AsyncIterator[Owner]:
    incarnation = secrets.token_hex(8)
    async with cassandra_log_store(session, Member(Incarnation(incarnation), incarnation, bus), ask) as (store, ring):
        _rings[incarnation] = ring
        try:
            yield Owner(store, ring, session, incarnation)
        finally:
            del _rings[incarnation]


Life: TypeAlias = Callable[[Owner], Awaitable[None]]


@asynccontextmanager
async def stale_owner(logs: LogKeyspace, life: Life, *, silent: bool = True) -> AsyncIterator[FaultySession]:
    """A process that owns the logs, falls silent, unless `life` sees to that, and goes on with `life` beside the body.

    At the end it must have found out that it is fenced. What it sent may arrive later than that.
    """
    began = asyncio.Event()

    async def live(session: FaultySession) -> None:
        async with _owner(session) as it:
            if silent:
                await it.fall_silent()
            began.set()
            await life(it)
            await asyncio.Event().wait()

    async with asyncio.timeout(SECONDS), logs.session() as session:
        faulty = FaultySession(session)
        task = asyncio.create_task(live(faulty))
        try:
            await began.wait()
            yield faulty
            await asyncio.wait([task])
            error = task.exception()
            assert isinstance(error, ExceptionGroup), "it was never fenced"
            assert error.subgroup(Fenced) is not None, error
        finally:
            task.cancel()
            await asyncio.wait([task])
