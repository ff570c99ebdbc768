"""The ladder by which a test finds its server: the first rung that holds, or a skip that says why none did."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

import pytest

REQUIRE = "TERTULIA_TEST_REQUIRE_SERVERS"
"""Set to 1 (CI does), a test without its server fails instead of being skipped."""


class Rung(NamedTuple):
    """One way to have a server."""

    name: str
    missing: Callable[[], str | None]
    """Says why this way is closed on this machine; None when it is open. Asked only when the rungs before are closed."""


class NoBackend(Exception):
    """No rung holds. The text gives the reason of each."""


def choose(server: str, rungs: Sequence[Rung]) -> str:
    """The name of the first rung that is open.

    Raises:
        NoBackend: none is.
    """
    reasons = []
    for rung in rungs:
        reason = rung.missing()
        if reason is None:
            return rung.name
        reasons.append(f"{rung.name}: {reason}")
    raise NoBackend(f"no {server} to test with; " + "; ".join(reasons))


def skip_without(error: NoBackend) -> NoReturn:
    """End the running test for want of a server: skipped, or failed where servers are required."""
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
