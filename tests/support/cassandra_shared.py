"""The node that all workers of all test runs of one user share, and the process that keeps it. It asks for users and passwords.

Workers come and go in any order and may be killed, so none of them can own the node. A *keeper* process does. Whoever uses
the node holds a lock shared; the keeper waits for the same lock alone, which the kernel grants when the last user is gone,
however it went. Then it ends the node and itself.
"""

import asyncio
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.cassandra_jars import cache_directory
from tests.support.cassandra_node import START_SECONDS
from tests.support.cassandra_ring import running_ring
from tests.support.cql import ContactPoint, speaks_cql

_ROOT = Path(__file__).parents[2]
_FETCH_SECONDS = 300
_POLL_SECONDS = 0.05


def _files() -> Path:
    directory = cache_directory() / "shared-cassandra"
    directory.mkdir(exist_ok=True)
    return directory


def _users() -> Path:
    """Locked shared by who uses the node, alone by the keeper while there is no node to be used."""
    return _files() / "users.lock"


def _address() -> Path:
    """Holds host and port of the node while it can be used."""
    return _files() / "address"


@contextmanager
def user(rung: str) -> Iterator[ContactPoint]:
    """Use the node, after starting it by `rung` if nobody else has.

    Raises:
        AssertionError: it could not be started; the text holds what the keeper said.
    """
    with _users().open("w") as using, (_files() / "start.lock").open("w") as starting:
        fcntl.flock(using, fcntl.LOCK_SH)
        fcntl.flock(starting, fcntl.LOCK_EX)
        point = _ready() or _start(rung)
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield point


def _ready() -> ContactPoint | None:
    try:
        host, port = _address().read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    point = ContactPoint(host, int(port))
    # A keeper that was killed left its file behind.
    return point if speaks_cql(point) else None


def _start(rung: str) -> ContactPoint:
    _address().unlink(missing_ok=True)
    said = _files() / "keeper.log"
    # Not by subprocess: its object complains when this worker ends before the keeper, as it may.
    keeper = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "tests.support.cassandra_shared", rung],
        {**os.environ, "PYTHONPATH": str(_ROOT)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(said), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    deadline = time.monotonic() + START_SECONDS + _FETCH_SECONDS
    while time.monotonic() < deadline:
        point = _ready()
        if point is not None:
            return point
        if os.waitpid(keeper, os.WNOHANG) != (0, 0):
            break
        time.sleep(_POLL_SECONDS)
    raise AssertionError(f"the shared Cassandra did not start:\n{said.read_text()}")


async def _keep(rung: str) -> None:
    with _users().open("w") as users:
        async with running_ring(rung, in_memory=True, logins=True) as ring:
            point = ring.contact_points[0]
            scratch = _files() / "address.new"
            scratch.write_text(f"{point.host} {point.port}")
            scratch.rename(_address())
            await asyncio.to_thread(fcntl.flock, users, fcntl.LOCK_EX)
            _address().unlink(missing_ok=True)


if __name__ == "__main__":
    asyncio.run(_keep(sys.argv[1]))
