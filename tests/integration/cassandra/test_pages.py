"""Pages of a ring of which a node answers late."""

import pytest

from libs.cassandra import Statement, cassandra_session, parse_contact_points
from tests.support.cassandra import cassandra_ring, keyspace

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("cassandra-rings")]

_PAGE_ROWS = 10
_ROWS = 5 * _PAGE_ROWS
_WRITE = Statement("INSERT INTO ks.row (log, seq) VALUES (?, ?) USING TIMESTAMP ?")
_READ = Statement("SELECT seq FROM ks.row WHERE log = ? AND seq > ?")


async def test_a_late_answer_for_one_page_is_not_taken_for_that_of_the_next() -> None:
    async with cassandra_ring(3, in_memory=True) as ring, keyspace(ring.nodes[0].point, replicas=3) as name:
        points = parse_contact_points(",".join(map(str, ring.contact_points)))
        async with cassandra_session(points, name) as session:
            await session.define("CREATE TABLE ks.row (log int, seq int, PRIMARY KEY (log, seq))")
            await ring.settled()
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
