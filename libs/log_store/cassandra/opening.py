"""Opening a store is taking ownership, closing it is letting go."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from libs.cassandra import CassandraUnavailable, Session, check_schema
from libs.log_store.cassandra.heartbeats import HEARTBEAT_SECONDS, Heart, State, Watch
from libs.log_store.cassandra.ownership import become_owner, hand_over
from libs.log_store.cassandra.schema import COMPONENT, MIGRATIONS
from libs.log_store.cassandra.store import MARK_SECONDS, CassandraLogStore
from libs.log_store.cassandra.vocabulary import Epoch, Incarnation
from libs.runtime.process import every, running

log = structlog.get_logger()

_SETTLE_SECONDS = 5.0  # to bring marks into the database and hand over; without it the successor reads a little more


@asynccontextmanager
async def cassandra_log_store(session: Session, incarnation: str) -> AsyncIterator[CassandraLogStore]:
    """Own the logs in the session's keyspace for as long as the body runs.

    While another process owns them and is alive, this waits: until that one stops, and hands them over, or seems dead, and
    is fenced. `incarnation` names this process and must never have been used before.

    Raises:
        CannotStart: the schema is not the one that this program knows.
        CassandraError: that could not be read.
        ExceptionGroup: of Fenced: another process has taken the logs over. Nothing must be acknowledged any more.
    """
    await check_schema(session, COMPONENT, MIGRATIONS)
    me = Incarnation(incarnation)
    heart = Heart(session, me)
    watch = Watch(me)
    async with running(heart.run()):
        epochs = await become_owner(session, me, watch)
        heart.state = State.OWNER
        log.info("owns_the_logs", incarnation=me, epoch=max(epochs.values()))
        async with asyncio.TaskGroup() as tasks:
            store = CassandraLogStore(session, me, epochs, tasks)
            async with running(
                store.recover_dirty(),
                every(MARK_SECONDS, store.write_marks),
                _exit_when_fenced(store),
            ):
                yield store
            await _let_go(session, me, epochs, store, heart, watch)
            store.abandon()


async def _exit_when_fenced(store: CassandraLogStore) -> None:
    """An owner without work, or whose writes do not succeed, must learn of its end, too."""
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        await store.barrier()


async def _let_go(
    session: Session,
    me: Incarnation,
    epochs: Mapping[int, Epoch],
    store: CassandraLogStore,
    heart: Heart,
    watch: Watch,
) -> None:
    """Hand over to a process that stands by; with none, say that nobody need wait for this one to be silent."""
    try:
        async with asyncio.timeout(_SETTLE_SECONDS):
            if await store.settle():
                heir = await _heir(session, watch)
                if heir is not None:
                    done = await hand_over(session, me, heir, epochs)
                    log.info("handed_over", heir=heir, clearly=done)
            heart.state = State.STOPPED
            await heart.beat()
    except (CassandraUnavailable, TimeoutError) as error:
        log.warning("logs_not_let_go", error=repr(error))  # the successor fences us and recovers what is open


async def _heir(session: Session, watch: Watch) -> Incarnation | None:
    """A process that stands by and was seen to beat."""
    for seconds in (0, 2 * HEARTBEAT_SECONDS):
        await asyncio.sleep(seconds)
        await watch.look(session)
        if not watch.anybody_stands_by():
            return None
    return next(iter(watch.standbys()), None)
