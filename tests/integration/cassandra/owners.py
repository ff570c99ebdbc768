"""Processes that own logs, several of them in the process of a test, each with a session that can be made faulty."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeAlias

from libs.log_store import Fenced, LogStore
from libs.log_store.cassandra import cassandra_log_store
from libs.log_store.cassandra.heartbeats import WRITE_HEARTBEAT
from tests.integration.cassandra.faulty import Fault, FaultySession
from tests.support.log_keyspace import LogKeyspace

EVERYTHING = 1 << 40
SECONDS = 20


class Owner(NamedTuple):
    store: LogStore
    session: FaultySession
    incarnation: str

    async def fall_silent(self) -> None:
        """From now on the others hear no heartbeat of it; its own work goes on."""
        self.session.always(WRITE_HEARTBEAT, Fault.LOST)


@asynccontextmanager
async def owner(logs: LogKeyspace, prepare: Callable[[FaultySession], None] = lambda _: None) -> AsyncIterator[Owner]:
    """A process that owns the logs, as soon as it can. `prepare` is called before it tries."""
    async with logs.session() as session:
        faulty = FaultySession(session)
        prepare(faulty)
        async with _owner(faulty) as it:
            yield it


@asynccontextmanager
async def _owner(session: FaultySession) -> AsyncIterator[Owner]:
    incarnation = secrets.token_hex(8)
    async with cassandra_log_store(session, incarnation) as store:
        yield Owner(store, session, incarnation)


Life: TypeAlias = Callable[[Owner], Awaitable[None]]


@asynccontextmanager
async def stale_owner(logs: LogKeyspace, life: Life) -> AsyncIterator[FaultySession]:
    """A process that owns the logs, falls silent, and goes on with `life` beside the body.

    At the end it must have found out that it is fenced. What it sent may arrive later than that.
    """
    began = asyncio.Event()

    async def live(session: FaultySession) -> None:
        async with _owner(session) as it:
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
