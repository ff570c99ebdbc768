"""What nobody would send: no crash, no fault, no answer that is not documented, no hang, no growth. Always the same few seconds of
it; `python -m tests.fuzz --minutes 10` goes on with others."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.processes import Footprint, compare, footprints
from tests.fuzz.rounds import ATTACKS, attacked
from tests.fuzz.targets import Target
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="package")

_EXAMPLES = 40
"""Of each kind, at a hundredth of a second and more."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def target(stack: Stack) -> AsyncIterator[Target]:
    async with attacked(stack) as target:
        yield target


@pytest.fixture(scope="module")
def before(stack: Stack) -> dict[str, Footprint]:
    return footprints(stack)


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("kind", ATTACKS)
@settings(
    max_examples=_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_whatever_is_sent_has_a_documented_answer(target: Target, kind: str, data: st.DataObject) -> None:
    await ATTACKS[kind](target, data)


async def test_and_every_process_lives_on_within_its_memory(stack: Stack, before: dict[str, Footprint]) -> None:
    compare(before, footprints(stack))
