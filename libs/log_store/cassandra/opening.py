"""Opening a store is joining those who share the logs, closing it is letting go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from libs.cassandra import CassandraUnavailable, Session, check_schema
from libs.log_store.cassandra.heartbeats import Heart, Member, State, Watch
from libs.log_store.cassandra.ring import Ask, CassandraRing
from libs.log_store.cassandra.schema import COMPONENT, MIGRATIONS
from libs.log_store.cassandra.store import MARK_SECONDS, CassandraLogStore
from libs.runtime.process import every, running

log = structlog.get_logger()

_SETTLE_SECONDS = 5.0  # to bring marks into the database; without it the successor reads a little more


@asynccontextmanager
async def cassandra_log_store(
    session: Session, me: Member, ask: Ask
) -> AsyncIterator[tuple[CassandraLogStore, CassandraRing]]:
    """Own a share of the logs in the session's keyspace for as long as the body runs.

    It begins when every shard has an owner, be it this process or another one that shares the logs with it. While one that does
    not share with it owns some and is alive, this waits: until that one stops or seems dead, and is fenced. The incarnation
    of `me` must never have been used before.

    Raises:
        CannotStart: the schema is not the one that this program knows.
        CassandraError: that could not be read.
        ExceptionGroup: of Fenced: others have taken over what this process had. Nothing must be acknowledged any more.
    """
    await check_schema(session, COMPONENT, MIGRATIONS)
    heart = Heart(session, me)
    watch = Watch(me)
    async with running(heart.run()), asyncio.TaskGroup() as tasks:
        store = CassandraLogStore(session, me.incarnation, tasks)
        ring = CassandraRing(session, store, me, heart, watch, ask, tasks)
        async with running(ring.run(), every(MARK_SECONDS, store.write_marks)):
            await ring.complete()
            log.info("shares_the_logs", incarnation=me.incarnation, shards=len(list(store.shards)))
            yield store, ring
        await _let_go(store, heart)
        store.abandon()


async def _let_go(store: CassandraLogStore, heart: Heart) -> None:
    """Say that nobody need wait for this one to be silent."""
    try:
        async with asyncio.timeout(_SETTLE_SECONDS):
            await store.settle()
            heart.state = State.STOPPED
            await heart.beat()
    except (CassandraUnavailable, TimeoutError) as error:
        log.warning("logs_not_let_go", error=repr(error))  # the successor fences us and recovers what is open
