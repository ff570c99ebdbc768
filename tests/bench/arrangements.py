"""What the servers under measurement are made of."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import psutil

from tests.bench.durability import NotDurable
from tests.support.backends import NoBackend, choose
from tests.support.cassandra_ring import OWN_RUNGS, running_ring
from tests.support.cql import ContactPoint, cql

_DURABLE = frozenset({"batch", "group"})
_COMMIT_LOG = "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'"


SOCKETS, TCP, TLS = BETWEEN = ("sockets", "tcp", "tls")
"""How services reach each other: as `tertulia serve` has them; apart, over TCP; so, by mutual TLS, with users and TLS at NATS."""


class Arrangement(NamedTuple):
    """What is started. As it is: `tertulia serve`, the embedded default."""

    gateways: int = 1
    message_stores: int = 1
    on_cassandra: bool = False
    between: str = SOCKETS

    @property
    def secured(self) -> bool:
        return self.between == TLS


ARRANGEMENTS: Mapping[str, Arrangement] = {
    "W2-gateways": Arrangement(gateways=2),
    "W2-cassandra": Arrangement(on_cassandra=True),
    "W2-each": Arrangement(gateways=2, message_stores=2, on_cassandra=True),
    "W3-cassandra": Arrangement(on_cassandra=True),
}
"""Of rows that are not measured as it is."""


def arrangement_of(row: str, between: str = SOCKETS) -> Arrangement:
    return ARRANGEMENTS.get(row, Arrangement())._replace(between=between)


class Node(NamedTuple):
    """One Cassandra, without a second replica."""

    point: ContactPoint
    commit_log: str
    pid: int


@asynccontextmanager
async def cassandra_for(rows: Sequence[str]) -> AsyncIterator[Node | str]:
    """A node of one's own, if one of the rows asks for it; else, or where there is no way to one, the reason.

    Raises:
        NotDurable: it acknowledges before it has written.
    """
    if not any(arrangement_of(row).on_cassandra for row in rows):
        yield "not needed"
        return
    try:
        rung = choose("Cassandra", OWN_RUNGS)
    except NoBackend as error:
        yield str(error)
        return
    async with running_ring(rung, 1, "batch") as ring:
        [point] = ring.contact_points
        async with cql(point) as connection:
            [[value]] = await connection.query(_COMMIT_LOG)
        commit_log = (value or b"").decode()
        if commit_log not in _DURABLE:
            raise NotDurable(f"Cassandra's commitlog_sync is {commit_log!r}, and must be batch or group")
        pid = await asyncio.to_thread(_listening, point)
        yield Node(point, commit_log, pid) if pid is not None else f"cannot see the process at {point}"


def _listening(point: ContactPoint) -> int | None:
    """The process that listens there; None: it is hidden from us."""
    found = (
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and tuple(each.laddr) == tuple(point)
    )
    return next(found, None)
