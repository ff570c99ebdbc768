"""A bounded part of the fault suite: `make faults` runs all of it. Real processes are broken while people talk, and I1 to I10
are checked when all has healed."""

from pathlib import Path

import pytest

from tests.faults import workloads
from tests.faults.breakages import BREAKAGES, FEW, Breakage
from tests.faults.nemeses import KillEach, StopOwner
from tests.faults.runs import Plan, run
from tests.faults.stack import NATS
from tests.support.log_keyspace import LogKeyspace

pytestmark = pytest.mark.timeout(240)

_SEED = 1


async def broken_promises(plan: Plan, folder: Path, keyspace: LogKeyspace | None = None) -> list[str]:
    result = await run(plan, folder, keyspace)
    assert result.lacks() == [], "too little happened to show anything"
    assert not result.crashes, "nobody asked them to end"
    return [f"{violation.invariant}: {violation.what}" for violation in result.violations]


async def test_whatever_is_killed_every_promise_is_kept(tmp_path: Path) -> None:
    services = ("message_store", "gateway", NATS, "channel", "presence")
    plan = Plan(KillEach(*services), workloads.ALL, "sqlite", _SEED, FEW._replace(strikes=len(services)))
    assert await broken_promises(plan, tmp_path) == []


async def test_an_owner_that_is_stopped_for_longer_than_its_lease_breaks_no_promise(
    everything_in_cassandra: LogKeyspace, tmp_path: Path
) -> None:
    await everything_in_cassandra.renew()
    plan = Plan(StopOwner(), workloads.ALL, "cassandra", _SEED, FEW)
    assert await broken_promises(plan, tmp_path, everything_in_cassandra) == []


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
async def test_a_broken_part_is_caught(breakage: Breakage, tmp_path: Path) -> None:
    assert await breakage.violations(_SEED, tmp_path), f"{breakage.name}: nobody noticed"
