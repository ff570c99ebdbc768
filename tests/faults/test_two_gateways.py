"""Two gateways behind one list of addresses: when one dies, its clients go on at the other, and I1 to I5 hold."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.checker import check
from tests.faults.talkers import Talkers
from tests.support.stack import Stack
from tests.support.stacks import BOTH, stack_of

pytestmark = [pytest.mark.timeout(300)]

_CLIENTS = 10
_ACKNOWLEDGED_BETWEEN_KILLS = 200


@pytest_asyncio.fixture(params=BOTH)
async def stack(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stack]:
    async with stack_of(request, tmp_path, gateways=2) as running:
        yield running


async def test_clients_move_to_the_other_gateway_when_theirs_is_killed(stack: Stack) -> None:
    talkers = Talkers(stack.address, "plaza", _CLIENTS)
    async with talkers.talking():
        for part in ("gateway", "gateway-2", "gateway"):
            await talkers.acknowledged(_ACKNOWLEDGED_BETWEEN_KILLS)
            stack.kill(part)
        await talkers.acknowledged(_ACKNOWLEDGED_BETWEEN_KILLS)
    verdict = check(talkers.recording, await talkers.history())
    assert verdict.violations == []
    assert verdict.readers == _CLIENTS
    assert verdict.unknown + verdict.refused == 0, "every send was retried until it was acknowledged"
    assert talkers.moved >= _CLIENTS, "each client was at a gateway that died"
