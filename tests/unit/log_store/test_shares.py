"""Who is to own which shard."""

from collections import Counter

import pytest

from libs.log_store import SHARDS
from libs.log_store.cassandra.shares import shares
from libs.log_store.cassandra.vocabulary import Incarnation


def members(count: int) -> list[Incarnation]:
    return [Incarnation(f"member {number}") for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 300])
def test_every_shard_has_an_owner_and_nobody_more_than_an_even_share(count: int) -> None:
    found = shares(members(count))
    assert found.keys() == set(range(SHARDS))
    assert max(Counter(found.values()).values()) <= -(-SHARDS // count)


def test_whoever_knows_the_same_members_comes_to_the_same_answer() -> None:
    assert shares(members(5)) == shares(members(5)[::-1])


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_who_comes_moves_little_more_than_its_share(count: int) -> None:
    before, after = shares(members(count)), shares(members(count + 1))
    moved = [shard for shard in before if before[shard] != after[shard]]
    assert len(moved) < 1.6 * SHARDS / (count + 1)


def test_with_nobody_there_is_nobody() -> None:
    assert shares([]) == {}
