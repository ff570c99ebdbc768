"""The rows, as issue 8 defines them. Texts have 200 bytes; a sender receives its own message as every member does."""

from collections.abc import Awaitable, Callable, Mapping

from tests.bench.conversation import in_a_hall, in_a_house, paced, windowed
from tests.bench.idle import idle
from tests.bench.job import Job, Outcome
from tests.bench.opening import opening
from tests.bench.paging import paging

Row = Callable[[Job], Awaitable[Outcome]]

# W3-cassandra comes last on its node, which then goes on compacting for a while: no row there is to pay for another's.
ROWS: Mapping[str, Row] = {
    "W1-max": in_a_hall(100, windowed(32, joined=True)),
    "W1-rate": in_a_hall(100, paced(50)),
    "W2-max": in_a_house(windowed(64, joined=True)),
    "W2-rate": in_a_house(paced(500)),
    "W2-gateways": in_a_house(windowed(64, joined=True)),
    "W2-each": in_a_house(windowed(64, joined=True)),
    "W2-cassandra": in_a_house(windowed(64, joined=True)),
    "W3-1": in_a_hall(2, windowed(1, joined=False)),
    "W3-64": in_a_hall(2, windowed(64, joined=False)),
    "W3-joined": in_a_hall(2, windowed(64, joined=True)),
    "W3-cassandra": in_a_hall(2, windowed(64, joined=False)),
    "W4": idle,
    "W5": paging,
}

SIZES: Mapping[str, tuple[Row, tuple[int, ...]]] = {
    "online": (ROWS["W1-max"], (10, 100, 1_000, 10_000)),
    "stored": (paging, (1_000, 10_000, 100_000, 1_000_000)),
    "channels": (opening, (100, 1_000, 10_000, 100_000)),
}
"""Cost against size: people online in a room, messages in a log, channels of an application."""


def row(name: str) -> Row:
    """The row of a name in either table."""
    return ROWS[name] if name in ROWS else SIZES[name][0]
