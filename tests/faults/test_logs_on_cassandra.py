"""The logs on Cassandra when processes and nodes die: nothing that was acknowledged is lost, doubled or out of order."""

from pathlib import Path

import pytest

from tests.faults.logs_on_cassandra import (
    SLOW_SECONDS,
    one_of_three_nodes_fails,
    only_node_is_killed,
    owner_is_killed,
)
from tests.integration.message_store.process import message_store
from tests.support.log_keyspace import LogKeyspace

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("cassandra-rings")]


async def test_after_kill_9_under_load_the_restarted_owner_goes_on_without_waiting_for_silence(
    logs: LogKeyspace, tmp_path: Path
) -> None:
    async with message_store(tmp_path, **logs.settings) as store:
        outcome = await owner_is_killed(store, times=3)
    assert outcome.errors, "some sends were cut off, or this showed nothing"


async def test_when_the_only_node_is_killed_sends_are_unavailable_meanwhile(tmp_path: Path) -> None:
    outcome = await only_node_is_killed(tmp_path)
    assert outcome.errors, "some sends were cut off, or this showed nothing"


async def test_with_one_of_three_nodes_slow_or_killed_sends_go_on(tmp_path: Path) -> None:
    outcome = await one_of_three_nodes_fails(tmp_path)
    assert max(outcome.pauses) < SLOW_SECONDS, "they went on before the node did"
