"""A ring of which a node stands still, answers late, dies while it is asked, or comes back at another address."""

import asyncio
import socket

import pytest

from libs.cassandra import (
    CassandraUnavailable,
    ContactPoint,
    Session,
    Statement,
    cassandra_session,
    parse_contact_points,
    read,
)
from tests.support.cassandra import cassandra_ring
from tests.support.cassandra_ring import CassandraRing, create_keyspace
from tests.support.cql import ContactPoint as Point
from tests.support.cql import cql
from tests.support.keyspace import keyspace
from tests.support.ports import until

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("cassandra-rings")]

_PAGE_ROWS = 10
_ROWS = 5 * _PAGE_ROWS
_FOUND_SECONDS = 40.0  # heartbeats take 15, looking the name up 6; with the heartbeats of the driver it would be 90
_LOGS = 30  # each node is the first to be asked about some of them
_NAME = "cassandra.test"
_TABLE = "CREATE TABLE ks.row (log int, seq int, PRIMARY KEY (log, seq))"
_WRITE = Statement("INSERT INTO ks.row (log, seq) VALUES (?, ?) USING TIMESTAMP ?")
_READ = Statement("SELECT seq FROM ks.row WHERE log = ? AND seq > ?")


async def test_what_is_harmless_is_asked_of_another_node_and_answered_once() -> None:
    async with cassandra_ring(3, in_memory=True) as ring, keyspace(ring.nodes[0].point, replicas=3) as place:
        points = parse_contact_points(",".join(map(str, ring.contact_points)))
        async with cassandra_session(points, place.name) as session:
            await session.define(_TABLE)
            await ring.settled()
            await _a_late_answer_for_one_page_is_not_taken_for_that_of_the_next(ring, session)
            await _a_node_that_dies_while_it_is_asked_is_noticed_by_nobody(ring, session)


async def _a_late_answer_for_one_page_is_not_taken_for_that_of_the_next(ring: CassandraRing, session: Session) -> None:
    await session.write(_WRITE, [(0, seq, seq) for seq in range(1, _ROWS + 1)])
    for node in ring.nodes:  # one of them is who is asked first
        await node.stop()
        seqs: list[object] = []
        async for page in session.pages(_READ, (0, 0), _PAGE_ROWS):
            if not seqs:
                await node.cont()  # it answers for the first page, which another one has answered meanwhile
            seqs += [seq for (seq,) in page]
        assert seqs == list(range(1, _ROWS + 1))
        await ring.settled()


async def _a_node_that_dies_while_it_is_asked_is_noticed_by_nobody(ring: CassandraRing, session: Session) -> None:
    node = ring.nodes[-1]
    await node.stop()
    async with asyncio.TaskGroup() as writing:
        for log in range(1, _LOGS + 1):
            writing.create_task(session.write(_WRITE, [(log, 1, 1)]))
        await asyncio.sleep(0)  # they are sent
        await node.kill()  # long before another node would be asked because this one is silent
    for log in range(1, _LOGS + 1):
        assert await read(session, _READ, (log, 0)) == [(1,)]


async def test_a_node_that_comes_back_at_another_address_is_found_by_its_name(
    cassandra: Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pod does, whose old connections nobody closes. The node that everybody shares stands for the one that comes back."""
    async with cassandra_ring(in_memory=True) as ring, keyspace(cassandra) as place:
        async with place.administration() as session:
            await session.define(_TABLE)
        async with cql(ring.nodes[0].point) as connection:
            await create_keyspace(connection, place.name, replicas=1)
        address = ring.nodes[0].point
        look_up = socket.getaddrinfo
        monkeypatch.setattr(  # the driver asks it, in our process; another name server would have to be root's
            socket, "getaddrinfo", lambda host, *rest: look_up(address.host if host == _NAME else host, *rest)
        )
        async with place._replace(point=Point(_NAME, address.port)).session() as session:
            await session.define(_TABLE)
            await session.write(_WRITE, [(1, 1, 1)])
            address = cassandra
            await ring.nodes[0].stop()  # it answers no more, and closes nothing

            async def is_written() -> bool:
                try:  # a batch: its statements are not prepared anew by the driver
                    await session.write(_WRITE, [(1, 2, 2), (1, 3, 3)])
                except CassandraUnavailable:
                    return False
                return True

            await until(is_written, "a write is answered", _FOUND_SECONDS)
            assert await read(session, _READ, (1, 0)) == [(2,), (3,)], "it was written to the node that has gone"


async def test_a_data_centre_without_nodes_is_waited_for(cassandra: Point) -> None:
    async with keyspace(cassandra) as place:
        login = place.login._asdict() if place.login else {}
        elsewhere = cassandra_session([ContactPoint(*cassandra)], place.name, data_center="elsewhere", **login)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2), elsewhere:
                pass
