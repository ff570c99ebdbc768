"""Everything on one node of Cassandra, which dies while people talk and comes back."""

from pathlib import Path

import pytest

from tests.faults.checker import check
from tests.faults.talkers import Talkers
from tests.support.cassandra import cassandra_ring
from tests.support.log_keyspace import keyspace_of_all
from tests.support.separate import separate_stack

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("cassandra-rings")]


async def test_while_cassandra_is_away_sessions_stay_and_when_it_is_back_all_goes_on_by_itself(tmp_path: Path) -> None:
    async with (
        cassandra_ring() as ring,
        keyspace_of_all(ring.nodes[0].point) as keyspace,
        separate_stack(tmp_path, keyspace) as stack,
    ):
        (node,) = ring.nodes
        talkers = Talkers(stack.address, "plaza", 10)
        async with talkers.talking():
            await talkers.acknowledged(100)
            await node.kill()
            await node.start()
            await talkers.acknowledged(100)
        verdict = check(talkers.recording, await talkers.history())
        assert verdict.violations == []
        assert talkers.moved == 0
