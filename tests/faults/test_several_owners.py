"""Several owners of the logs die, come and go under load: nothing acknowledged is lost, and the logs go on. How soon is measured, not
tested: `python -m tests.faults.several_owners`."""

from pathlib import Path

import pytest

from tests.faults.several_owners import one_is_killed, shards_move
from tests.support.log_keyspace import LogKeyspace

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("cassandra-rings")]


async def test_when_one_of_three_dies_on_another_machine_the_others_go_on_with_all_of_its_logs(
    logs: LogKeyspace, tmp_path: Path
) -> None:
    figures = await one_is_killed(logs, tmp_path, times=2)
    assert figures.failures, "some sends were cut off, or this showed nothing"


async def test_who_comes_and_goes_is_asked_for_its_shards_and_not_fenced(logs: LogKeyspace, tmp_path: Path) -> None:
    figures = await shards_move(logs, tmp_path, times=1)
    assert figures.seconds, "no shard was handed over, so this showed nothing"
