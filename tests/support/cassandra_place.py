"""Where a ring may live on this machine: addresses and a directory that nobody else uses."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.cassandra_config import CQL_PORT, GOSSIP_PORT

_MEMORY = Path("/dev/shm")  # noqa: S108 - the well-known tmpfs; what is made there has a name of its own and mode 0700
_MEMORY_BYTES = 2 * 1024**3
"""Room for a ring's data and commit logs; below it they go to disk."""

_NETWORKS = range(200)


class Place(NamedTuple):
    hosts: tuple[str, ...]
    directory: Path


@contextmanager
def place_for_ring(nodes: int, *, in_memory: bool) -> Iterator[Place]:
    """The first 127.0.x.0/24 that no other ring of this user holds and where no server listens; its directory goes after.

    All of 127/8 is this machine on Linux. Nodes of a ring must share their port numbers, and a port that was merely free
    a moment ago may be taken while a killed node is down; an address of one's own may not.
    """
    for network in _NETWORKS:
        hosts = tuple(f"127.0.{network}.{number}" for number in range(1, nodes + 1))
        name = f"tertulia-cassandra-{os.getuid()}-{network}"
        with (_locks() / f"{name}.lock").open("w") as lock:
            if not _locked(lock.fileno()) or not all(map(_unused, hosts)):
                continue
            # Tests that were killed leave theirs behind. Whose network it is now may take it away.
            for base in (_MEMORY, Path(tempfile.gettempdir())):
                shutil.rmtree(base / name, ignore_errors=True)
            directory = _base(in_memory=in_memory) / name
            directory.mkdir(mode=0o700)
            try:
                yield Place(hosts, directory)
            finally:
                shutil.rmtree(directory)
            return
    raise AssertionError("every loopback network is taken; are nodes left over from somewhere?")


def _locks() -> Path:
    """The same directory for all rings of this machine, also for those whose TMPDIR is another: their directories in memory
    have the same names."""
    return _MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir())


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unused(host: str) -> bool:
    for port in (CQL_PORT, GOSSIP_PORT):
        with socket.socket() as probe:
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as Cassandra does: a closed connection lingers
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def _base(*, in_memory: bool) -> Path:
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
    return _MEMORY if in_memory and roomy else Path(tempfile.gettempdir())
