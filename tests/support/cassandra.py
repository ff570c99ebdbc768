"""Cassandra for tests: a ring of a test's own to break, and one node that a whole run shares.

    async with cassandra_ring(nodes=3) as ring:          # fault tests: nodes can be killed, stopped, started again
        await ring.nodes[1].kill()

    with shared_cassandra() as points:                   # conformance suites: cheap, one node for all workers
        async with keyspace(points[0]) as place: ...

The ladder: an address from the environment (`TERTULIA_TEST_CASSANDRA=host:port[,host:port]`; for the shared node only, as
nobody's own Cassandra should be killed), a container when Docker and the image are here, a process of Maven Central's jars,
else a skip with the reasons, which TERTULIA_TEST_REQUIRE_SERVERS=1 makes a failure.

For people: `python -m tests.support.cassandra up 3` runs a ring until Ctrl-C.
"""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from tests.support.backends import NoBackend, Rung, choose, skip_without
from tests.support.cassandra_config import CQL_PORT, CommitLog
from tests.support.cassandra_ring import OWN_RUNGS, CassandraRing, running_ring
from tests.support.cassandra_shared import user
from tests.support.cql import ContactPoint

ADDRESS = "TERTULIA_TEST_CASSANDRA"


@asynccontextmanager
async def cassandra_ring(
    nodes: int = 1,
    commit_log: CommitLog = "batch",
    *,
    in_memory: bool = False,
    hints: bool = True,
    environment: Mapping[str, str] | None = None,
    identity: str = "",
    logins: bool = False,
) -> AsyncIterator[CassandraRing]:
    """A fresh ring for as long as the body runs, or a skipped test where there is no way to one.

    Its data are on disk, so that an fsync costs what it costs; `in_memory` puts them on a tmpfs where one has room, which
    still survives a kill -9 of a node. Without `hints` a node that missed a write hears of it by repair only. Nodes that
    run as processes of this machine have `environment` beside that of the test. With an `identity` (PEM: a key and its certificate)
    they are reached over TLS, too; with `logins` they ask for a user and a password.
    """
    try:
        rung = choose("Cassandra", OWN_RUNGS)
    except NoBackend as error:
        skip_without(error)
    async with running_ring(
        rung,
        nodes,
        commit_log,
        in_memory=in_memory,
        hints=hints,
        environment=environment,
        identity=identity,
        logins=logins,
    ) as ring:
        yield ring


@contextmanager
def shared_cassandra() -> Iterator[tuple[ContactPoint, ...]]:
    """One node for everybody on this machine who wants one, started by the first and ended after the last.

    For the session scope of each pytest-xdist worker. Its users keep out of each other's way by keyspaces; nobody may
    break it. Skips the test where there is no way to a Cassandra.
    """
    given = os.environ.get(ADDRESS)
    if given:
        yield contact_points(given)
        return
    try:
        rung = choose("Cassandra", (Rung(ADDRESS, lambda: "not set"), *OWN_RUNGS))
    except NoBackend as error:
        skip_without(error)
    with user(rung) as point:
        yield (point,)


def contact_points(text: str) -> tuple[ContactPoint, ...]:
    """Parse `host:port[,host:port]`. A port left out is Cassandra's own.

    Raises:
        ValueError: a port is not a number.
    """
    points = []
    for item in text.split(","):
        host, _, port = item.strip().partition(":")
        points.append(ContactPoint(host, int(port or CQL_PORT)))
    return tuple(points)


async def _up(nodes: int, commit_log: CommitLog) -> None:
    rung = choose("Cassandra", OWN_RUNGS)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not KeyboardInterrupt: a shell script's background job is started with SIGINT ignored, and Python keeps it so.
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_ring(rung, nodes, commit_log, logins=nodes == 1) as ring:
        print(f"ready as {rung}; Ctrl-C ends it and deletes its data")
        print(f"export {ADDRESS}={','.join(map(str, ring.contact_points))}", flush=True)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.cassandra")
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="run a ring until Ctrl-C")
    up.add_argument("nodes", type=int, nargs="?", default=1)
    up.add_argument("--commit-log", choices=("batch", "group"), default="batch")
    arguments = parser.parse_args()
    try:
        asyncio.run(_up(arguments.nodes, arguments.commit_log))
    except NoBackend as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
