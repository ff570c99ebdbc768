"""The table `shard`: who owns. Written by compare-and-set only, read by serial reads only."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import structlog

from libs.cassandra import CassandraUnavailable, Session, Statement
from libs.log_store.cassandra.fence import write_fence
from libs.log_store.cassandra.heartbeats import HEARTBEAT_SECONDS, Watch
from libs.log_store.cassandra.schema import RING
from libs.log_store.cassandra.vocabulary import NOBODY, Epoch, Incarnation
from libs.log_store.types import SHARDS
from libs.runtime.errors import CannotStart

log = structlog.get_logger()

READ_SHARDS = Statement("SELECT shard, epoch, owner FROM ks.shard WHERE ring = ?")
CHANGE_SHARD = Statement(
    "UPDATE ks.shard SET epoch = ?, owner = ? WHERE ring = ? AND shard = ? IF epoch = ? AND owner = ?"
)

_RESOLVE_SECONDS = 0.2  # between tries to learn what became of a compare-and-set


class Ownership(NamedTuple):
    epoch: Epoch
    owner: Incarnation


Ownerships: TypeAlias = Mapping[int, Ownership]
"""By shard."""


async def read_ownerships(session: Session) -> dict[int, Ownership]:
    """Who owns which shard.

    Raises:
        CassandraUnavailable: it could not be read.
        CannotStart: the database has another number of shards than this program.
    """
    rows = await session.read_serial(READ_SHARDS, (RING,))
    if len(rows) != SHARDS:
        raise CannotStart(
            f"the logs in keyspace {session.keyspace} have {len(rows)} shards, this program has {SHARDS}: "
            "the number can never be changed"
        )
    return {int(shard or 0): Ownership(Epoch(int(epoch or 0)), Incarnation(str(owner))) for shard, epoch, owner in rows}


async def compare_and_set(session: Session, seen: Ownerships, wanted: Ownerships) -> bool:
    """Change all of them at once. Whether it was clearly done; if not it may still be done later.

    Raises:
        CassandraUnavailable: that is not known.
    """
    rows = [(*new, RING, shard, *seen[shard]) for shard, new in wanted.items()]
    return await session.compare_and_set(CHANGE_SHARD, rows)


async def become_owner(session: Session, incarnation: Incarnation, watch: Watch) -> dict[int, Epoch]:
    """Wait until the owners of all shards seem dead, fence them, wait for the fences, and take the shards over.

    Or get them handed over by their owner. Returns the epoch of each shard.
    """
    waited_for: set[Incarnation] = set()
    while True:
        try:
            seen = await read_ownerships(session)
            await watch.look(session)
            others: defaultdict[Incarnation, list[int]] = defaultdict(list)
            for shard, ownership in seen.items():
                others[ownership.owner].append(shard)
            own = others.pop(incarnation, [])
            if len(own) == len(seen):
                return {shard: ownership.epoch for shard, ownership in seen.items()}
            gone = [owner for owner in others if owner == NOBODY or watch.is_gone(owner)]
            for owner in gone:
                await _take(session, incarnation, owner, {shard: seen[shard] for shard in others[owner]})
            if gone:
                continue  # what became of it is read, however it went
            for owner in others.keys() - waited_for:
                log.info("another_process_owns_the_logs", owner=owner, ours=incarnation)
                waited_for.add(owner)
        except CassandraUnavailable as error:
            log.warning("ownership_not_read", error=str(error))
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _take(session: Session, incarnation: Incarnation, owner: Incarnation, seen: Ownerships) -> None:
    if owner != NOBODY:
        log.warning("fencing", owner=owner, ours=incarnation)
        await write_fence(session, owner)
    wanted = {shard: Ownership(Epoch(before.epoch + 1), incarnation) for shard, before in seen.items()}
    await compare_and_set(session, seen, wanted)


async def hand_over(session: Session, incarnation: Incarnation, heir: Incarnation, epochs: Mapping[int, Epoch]) -> bool:
    """Give all shards away, with their epochs. Everything of them must be resolved, and whatever comes of it, this process
    owns them no more: one that timed out may still be done. Whether it was clearly done.

    Raises:
        CassandraUnavailable: that is not known.
    """
    seen = {shard: Ownership(epoch, incarnation) for shard, epoch in epochs.items()}
    return await compare_and_set(session, seen, {shard: Ownership(epoch, heir) for shard, epoch in epochs.items()})
