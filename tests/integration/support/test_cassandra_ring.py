"""The Cassandra that fault tests break: what it was told before a kill -9 it still knows. A ring of three is in tests/faults."""

import time
from pathlib import Path

import pytest

from tests.support.backends import NoBackend, skip_without
from tests.support.cassandra import cassandra_ring, shared_cassandra
from tests.support.cassandra_jars import cache_directory, process_missing
from tests.support.cassandra_place import place_for_ring
from tests.support.cassandra_ring import PROCESS, running_ring
from tests.support.cql import Consistency, ContactPoint, cql, speaks_cql
from tests.support.keyspace import keyspace
from tests.support.ports import until
from tests.support.processes import running_children

pytestmark = [pytest.mark.timeout(240), pytest.mark.xdist_group("cassandra-rings")]

ROWS = 50


async def write_rows(point: ContactPoint, name: str) -> None:
    async with cql(point) as connection:
        await connection.query(f"CREATE TABLE {name}.rows (id int PRIMARY KEY, text text)")
        for number in range(ROWS):
            await connection.query(f"INSERT INTO {name}.rows (id, text) VALUES ({number}, 'row {number}')")  # noqa: S608


async def read_texts(point: ContactPoint, name: str, consistency: Consistency = Consistency.ONE) -> set[str]:
    async with cql(point) as connection:
        rows = await connection.query(f"SELECT text FROM {name}.rows", consistency)  # noqa: S608
    return {text.decode() for (text,) in rows if text is not None}


EXPECTED = {f"row {number}" for number in range(ROWS)}


async def test_a_node_that_was_killed_comes_back_with_every_row_it_acknowledged() -> None:
    async with cassandra_ring() as ring:
        (node,) = ring.nodes
        async with keyspace(node.point) as place:
            await write_rows(node.point, place.name)
            await node.kill()
            assert not await node.running()
            assert not speaks_cql(node.point), "a killed node answers"
            await node.start()
            assert await read_texts(node.point, place.name) == EXPECTED


async def test_a_stopped_node_holds_connections_silently_until_it_goes_on_and_after_its_test_nothing_is_left() -> None:
    reason = process_missing()
    if reason is not None:
        skip_without(NoBackend(reason))
    async with running_ring(PROCESS, in_memory=True) as ring:
        (node,) = ring.nodes
        (java,) = running_children("CassandraDaemon")
        (conf,) = [Path(word.removeprefix("-Djava.io.tmpdir=")) for word in java.cmdline() if "java.io.tmpdir" in word]
        assert conf.exists()
        await node.stop()
        assert await node.running()
        assert not speaks_cql(node.point, seconds=0.5), "a stopped node answers"
        await node.cont()
        assert speaks_cql(node.point, seconds=10)
    assert not conf.exists()
    assert not speaks_cql(node.point)


def test_places_of_two_rings_at_once_are_apart() -> None:
    with place_for_ring(3, in_memory=True) as one, place_for_ring(3, in_memory=True) as other:
        assert set(one.hosts).isdisjoint(other.hosts)
        assert one.directory != other.directory


async def test_users_of_the_shared_node_get_the_same_one(cassandra: ContactPoint) -> None:
    begun = time.monotonic()
    with shared_cassandra() as points:
        assert points == (cassandra,)
    assert time.monotonic() - begun < 5, "it was started anew"


async def test_a_keyspace_is_gone_after_its_test(cassandra: ContactPoint) -> None:
    async with keyspace(cassandra, prefix="mine") as place:
        await write_rows(cassandra, place.name)
        assert await read_texts(cassandra, place.name) == EXPECTED
    async with cql(cassandra) as connection:
        rows = await connection.query("SELECT keyspace_name FROM system_schema.keyspaces")
    assert (place.name.encode(),) not in rows


async def test_the_shared_node_ends_with_its_last_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jars = cache_directory()
    own = tmp_path / "tertulia-tests"
    own.mkdir()
    for entry in jars.glob("cassandra-*"):
        (own / entry.name).symlink_to(entry)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # a shared node that no other worker uses
    with shared_cassandra() as points:
        assert speaks_cql(points[0])
    await until(lambda: not speaks_cql(points[0]), "the node is gone")
