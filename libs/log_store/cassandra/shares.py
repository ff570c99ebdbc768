"""Who is to own which shard. Whoever knows the same members comes to the same answer, and a change of members moves few shards."""

from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias

from libs.log_store.cassandra.vocabulary import Incarnation
from libs.log_store.types import SHARDS

Shares: TypeAlias = dict[int, Incarnation]
"""By shard."""

_REMEMBERED = 8  # sets of members: they change rarely, and are asked for twice a second


def shares(members: Collection[Incarnation]) -> Shares:
    """Rendezvous hashing (Thaler and Ravishankar, 1998) in which nobody gets more than an even share, rounded up."""
    return _shares(frozenset(members))


@lru_cache(_REMEMBERED)
def _shares(members: frozenset[Incarnation]) -> Shares:
    if not members:
        return {}
    most = -(-SHARDS // len(members))
    count: Counter[Incarnation] = Counter()
    found: Shares = {}
    for _, shard, member in sorted(
        (_score(member, shard), shard, member) for member in members for shard in range(SHARDS)
    ):
        if shard not in found and count[member] < most:
            found[shard] = member
            count[member] += 1
    return found


def _score(member: Incarnation, shard: int) -> bytes:
    return blake2b(f"{shard} {member}".encode(), digest_size=8).digest()
