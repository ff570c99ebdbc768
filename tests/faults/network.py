"""Cuts between processes of one machine, by the kernel's packet filter.

A process under test runs as a group of its own, and the filter knows each connection by the group that opened it. So one
process is cut off from a server while others reach it at the same address, also from servers that their clients find by
themselves (the nodes of a ring), and what is lost is packets: a connection attempt gets no answer, TCP sends again, and a
one-way cut lets the other direction through. A proxy of our own, or toxiproxy, would need an address for every pair, sees
no packets, and accepts connections to servers that cannot be reached. It needs root; rules of a run that was killed are
swept away by the next one.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import psutil

_CHAIN = "TERTULIA-FAULTS-"
_SECONDS = 10


class Direction(Enum):
    """Which packets of a connection are lost."""

    OUT = "out"
    """Those of whoever opened it."""
    BACK = "back"
    """Those to whoever opened it."""
    BOTH = "both"


class Server(NamedTuple):
    """Where connections lead."""

    host: str
    port: int


def missing() -> str | None:
    """Why there can be no cuts here; None: there can."""
    if os.geteuid() != 0:
        return "needs root"
    return next((f"needs {tool}" for tool in ("iptables", "setpriv") if not shutil.which(tool)), None)


class Network:
    """The cuts of this process."""

    def __init__(self) -> None:
        self._chain = f"{_CHAIN}{os.getpid()}"
        self._there = False

    def cut(self, group: int, servers: Sequence[Server], direction: Direction) -> None:
        """Lose all packets between the processes of a group and some servers, of old and of new connections."""
        self._begin()
        self._mark(group)
        for host, port in servers:
            if direction is not Direction.BACK:
                self._drop(f"-d {host} --dport {port} -m connmark --mark {group}")
            if direction is not Direction.OUT:
                self._drop(f"-s {host} --sport {port} -m connmark --mark {group}")

    def lose(self, servers: Sequence[Server], share: float) -> None:
        """Lose a share of all packets between the groups that are known and some servers. A server may have others, too."""
        self._begin()
        for host, port in servers:
            for place in (f"-d {host} --dport {port}", f"-s {host} --sport {port}"):
                self._drop(f"{place} -m connmark ! --mark 0 -m statistic --mode random --probability {share}")

    def know(self, group: int) -> None:
        """Remember which connections a group opens from now on. To be called before it opens any that are to be cut."""
        self._begin()
        self._mark(group)

    def heal(self) -> None:
        """Nothing is lost any more."""
        if self._there:
            _iptables("filter", f"-F {self._chain}")

    def close(self) -> None:
        """Leave no rule behind."""
        if self._there:
            _remove(self._chain)
            self._there = False

    def _begin(self) -> None:
        if self._there:
            return
        sweep()
        for table in ("filter", "mangle"):
            _iptables(table, f"-N {self._chain}")
            _iptables(table, f"-I OUTPUT -j {self._chain}")
        self._marked: set[int] = set()
        self._there = True

    def _mark(self, group: int) -> None:
        if group not in self._marked:
            self._marked.add(group)
            _iptables("mangle", f"-A {self._chain} -p tcp -m owner --gid-owner {group} -j CONNMARK --set-mark {group}")

    def _drop(self, what: str) -> None:
        _iptables("filter", f"-A {self._chain} -p tcp {what} -j DROP")


def sweep() -> None:
    """Remove the rules of runs that are gone."""
    for line in _iptables("filter", "-S").splitlines():
        word, _, chain = line.partition(" ")
        if word == "-N" and chain.startswith(_CHAIN) and not psutil.pid_exists(int(chain.removeprefix(_CHAIN))):
            _remove(chain)


def _remove(chain: str) -> None:
    for table in ("filter", "mangle"):
        for rule in (f"-D OUTPUT -j {chain}", f"-F {chain}", f"-X {chain}"):
            _iptables(table, rule, must=False)


def _iptables(table: str, rule: str, *, must: bool = True) -> str:
    done = subprocess.run(
        ["iptables", "-w", "-t", table, *rule.split()], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0 or not must, f"iptables -t {table} {rule}: {done.stderr}"
    return done.stdout
