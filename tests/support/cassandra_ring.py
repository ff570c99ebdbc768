"""A ring of Cassandra nodes, and when it is ready."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.support.backends import Rung
from tests.support.cassandra_config import CommitLog, NodeConfig
from tests.support.cassandra_docker import DATA, node_container
from tests.support.cassandra_jars import jars, process_missing
from tests.support.cassandra_node import Machine, Node, ProcessMachine
from tests.support.cassandra_place import place_for_ring
from tests.support.containers import container_missing, sweep
from tests.support.cql import Consistency, ContactPoint, Cql, CqlError, cql
from tests.support.images import CASSANDRA
from tests.support.ports import until

_CONTAINER, PROCESS = "container", "process"
OWN_RUNGS = (Rung(_CONTAINER, lambda: container_missing(CASSANDRA)), Rung(PROCESS, process_missing))
"""The ways to a Cassandra that a test may kill."""

_RING_SECONDS = 90


class CassandraRing:
    """Nodes that form one ring, all of them started. A keyspace may have as many replicas as there are nodes."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.nodes = nodes

    @property
    def contact_points(self) -> tuple[ContactPoint, ...]:
        return tuple(node.point for node in self.nodes)

    async def settled(self) -> None:
        """Wait until every running node believes every other one to be up, and all have the same schema.

        A node answers CQL before gossip has told the others of it, and for a few seconds a QUORUM through them fails; and a
        node that is back may not know for a while of a keyspace made shortly before it was killed. Nodes that were stopped
        count as running, and this does not return before they go on.

        Raises:
            AssertionError: they do not agree within 90 s.
        """
        running = [node.point for node in self.nodes if await node.running()]
        for point in running:
            await until(lambda point=point: _sees(point, len(running)), f"{point} sees its ring", _RING_SECONDS)
        await until(lambda: _agree(running), "the nodes agree on a schema", _RING_SECONDS)


async def _sees(point: ContactPoint, wanted: int) -> bool:
    """Whether a node reaches that many replicas. A read at ALL tells, and says how many when it fails."""
    try:
        async with cql(point) as connection:
            await connection.query("SELECT at FROM tertulia_ring.seen WHERE at = 0", Consistency.ALL)
    except CqlError as error:
        return error.replicas is not None and error.replicas >= wanted
    except (OSError, asyncio.IncompleteReadError):
        return False
    return True


async def _agree(points: list[ContactPoint]) -> bool:
    versions = set()
    for point in points:
        async with cql(point) as connection:
            versions.update(await connection.query("SELECT schema_version FROM system.local"))
    return len(versions) == 1


@asynccontextmanager
async def running_ring(
    rung: str,
    nodes: int = 1,
    commit_log: CommitLog = "batch",
    *,
    in_memory: bool = False,
    hints: bool = True,
    environment: Mapping[str, str] | None = None,
    identity: str = "",
    logins: bool = False,
) -> AsyncIterator[CassandraRing]:
    """A ring on a rung of the ladder that is known to hold; what `cassandra_ring` does, without pytest.

    Raises:
        AssertionError: a node did not come up, or they do not find each other.
    """
    if rung == _CONTAINER:
        await asyncio.to_thread(sweep)
    async with AsyncExitStack() as stack:
        hosts, directory = stack.enter_context(place_for_ring(nodes, in_memory=in_memory))
        machines = await _machines(rung, hosts, commit_log, directory, hints, environment or {}, identity, logins)
        for machine in machines:
            stack.push_async_callback(machine.remove)
        ring = CassandraRing(tuple(Node(host, machine) for host, machine in zip(hosts, machines, strict=True)))
        # The seed first: the others ask it for the ring, and give up when it is not there yet.
        await ring.nodes[0].start()
        async with asyncio.TaskGroup() as starting:
            for node in ring.nodes[1:]:
                starting.create_task(node.start())
        if logins:
            await until(lambda: _lets_in(ring.nodes[0].point), "the first user is there", _RING_SECONDS)
        await _make_witness(ring)
        await ring.settled()
        yield ring


async def _lets_in(point: ContactPoint) -> bool:
    """A node answers before it has made the user that a new ring begins with."""
    try:
        async with cql(point):
            return True
    except CqlError as error:
        if error.code != CqlError.BAD_CREDENTIALS:
            raise
    except (OSError, asyncio.IncompleteReadError):
        pass  # as in `_sees`
    return False


async def _make_witness(ring: CassandraRing) -> None:
    """The table with a replica on every node that `settled` reads."""
    async with cql(ring.nodes[0].point) as connection:
        await create_keyspace(connection, "tertulia_ring", len(ring.nodes))
        await connection.query("CREATE TABLE IF NOT EXISTS tertulia_ring.seen (at int PRIMARY KEY)")


async def _machines(
    rung: str,
    hosts: tuple[str, ...],
    commit_log: CommitLog,
    directory: Path,
    hints: bool,
    environment: Mapping[str, str],
    identity: str,
    logins: bool,
) -> list[Machine]:
    library = await jars() if rung == PROCESS else None
    machines: list[Machine] = []
    for index, host in enumerate(hosts):
        own = directory / str(index)
        data = str(own / "data") if library else DATA
        config = NodeConfig(host, hosts[0], index, len(hosts), commit_log, data, hints, identity, logins)
        machines.append(ProcessMachine(config, own, library, environment) if library else node_container(config, own))
    return machines


async def create_keyspace(connection: Cql, name: str, replicas: int) -> None:
    """Create a keyspace with its rows on so many nodes, all of which are up, and wait until every node knows of it.

    Raises:
        AssertionError: they do not within 90 s.
    """
    await connection.query(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}"
    )
    await until(lambda: _knows_one_schema(connection), f"every node knows of {name}", _RING_SECONDS)


async def _knows_one_schema(connection: Cql) -> bool:
    here = await connection.query("SELECT schema_version FROM system.local")
    elsewhere = await connection.query("SELECT schema_version FROM system.peers_v2")
    return len({*here, *elsewhere}) == 1
