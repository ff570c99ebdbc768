"""kill -9 of every process in turn while people talk: clients come back by themselves, and I1 to I5 hold."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.checker import Verdict, check
from tests.faults.talkers import Talkers
from tests.support.stack import NATS, SERVICES, Stack, running_stack

pytestmark = [pytest.mark.timeout(400)]

_CLIENTS = 20
_IN_EVERY_STACK = ("message_store", "channel", "presence", "gateway")
_ACKNOWLEDGED_BETWEEN_KILLS = 200


async def verdict_after_killing(parts: Sequence[str], stack: Stack) -> Verdict:
    talkers = Talkers(stack.address, "plaza", _CLIENTS)
    async with talkers.talking():
        for part in parts:
            await talkers.acknowledged(_ACKNOWLEDGED_BETWEEN_KILLS)
            stack.kill(part)
        await talkers.acknowledged(_ACKNOWLEDGED_BETWEEN_KILLS)
    return check(talkers.recording, await talkers.history())


@pytest.mark.parametrize("part", [*SERVICES, NATS])
async def test_nothing_is_lost_doubled_or_out_of_order_when_a_process_is_killed(part: str, tmp_path: Path) -> None:
    async with running_stack(tmp_path / "data") as stack:
        verdict = await verdict_after_killing([part], stack)
    assert verdict.violations == []
    assert verdict.acknowledged >= 2 * _ACKNOWLEDGED_BETWEEN_KILLS
    assert verdict.readers == _CLIENTS


async def test_nor_when_one_after_the_other_is_killed(stack: Stack) -> None:
    verdict = await verdict_after_killing([*_IN_EVERY_STACK, NATS, *reversed(_IN_EVERY_STACK)], stack)
    assert verdict.violations == []
    assert verdict.unknown + verdict.refused == 0, "every send was retried until it was acknowledged"
