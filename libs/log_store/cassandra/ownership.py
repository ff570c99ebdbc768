"""The table `shard`: who owns. Written by compare-and-set only, read by serial reads only."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from libs.cassandra import Session, Statement
from libs.log_store.cassandra.schema import RING
from libs.log_store.cassandra.vocabulary import Epoch, Incarnation
from libs.log_store.types import SHARDS
from libs.runtime.errors import CannotStart

READ_SHARDS = Statement("SELECT shard, epoch, owner FROM ks.shard WHERE ring = ?")
CHANGE_SHARD = Statement(
    "UPDATE ks.shard SET epoch = ?, owner = ? WHERE ring = ? AND shard = ? IF epoch = ? AND owner = ?"
)


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
