"""The servers under measurement: `tertulia serve` of a revision, or its services apart, on fresh data."""

import asyncio
import json
import os
import signal
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import psutil

from tests.bench.apart import services_apart
from tests.bench.arrangements import SOCKETS, Arrangement, Node
from tests.bench.processes import Pids
from tests.bench.revisions import Revision
from tests.support.stack import COMMAND
from tests.support.unlimited import UNLIMITED

_START_SECONDS = 90  # on Cassandra the tables are made first
_STOP_SECONDS = 30
_SUPERVISOR = "supervisor"
_MESSAGE_STORE = 0  # whose metrics are at the first ports; see services/serve/plan.py
_METRICS_SECONDS = 5
_SERVICES = 7  # at most; each has a port for its metrics
_PORTS = (32_000, 32_700, _SERVICES)  # below Linux's ephemeral ports, above those that `serve` chooses from


class Servers:
    """A running stack."""

    def __init__(self, address: str, pids: Pids, data: Path, metrics_port: int, message_stores: int) -> None:
        self.address = address
        self.pids = pids
        """All its processes, nats-server and the supervisor included."""
        self.data = data
        self._metrics_ports = range(metrics_port + _MESSAGE_STORE, metrics_port + _MESSAGE_STORE + message_stores)

    async def store_metrics(self) -> dict[str, float]:
        """The figures of message_store without labels, by name; of several processes together."""
        together: dict[str, float] = {}
        for port in self._metrics_ports:
            text = await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
            for name, value in parse_metrics(text).items():
                together[name] = together.get(name, 0.0) + value
        return together


def parse_metrics(text: str) -> dict[str, float]:
    """What Prometheus reads: the figures that have no labels."""
    figures: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name and name != "#" and "{" not in name:
            figures[name] = float(value)
    return figures


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_METRICS_SECONDS) as response:  # noqa: S310 - our own URL
        text: bytes = response.read()
    return text.decode()


@asynccontextmanager
async def running_servers(
    revision: Revision, data: Path, arrangement: Arrangement, node: Node | None
) -> AsyncIterator[Servers]:
    """Start everything with its data in `data`, or in a keyspace of that name on `node`; stop it afterwards, whatever happens."""
    metrics_port = _free_block()
    if arrangement.between != SOCKETS:
        async with services_apart(revision, data, arrangement, metrics_port + _MESSAGE_STORE) as (address, apart):
            yield Servers(address, apart, data, metrics_port, arrangement.message_stores)
        return
    with (data.parent / "serve.stderr").open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            "serve",
            *("--port", "0", "--data", str(data), "--metrics-port", str(metrics_port), "--json"),
            *("--gateways", str(arrangement.gateways), "--message-stores", str(arrangement.message_stores)),
            *(("--cassandra", str(node.point), "--keyspace", data.name) if node is not None else ()),
            env={**os.environ, **UNLIMITED, **revision.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"tertulia serve did not start:\n{(data.parent / 'serve.stderr').read_text('utf-8')}")
        ready = json.loads(line)
        pids = {_SUPERVISOR: process.pid, **ready["pids"]}
        _require_all(process.pid, pids)
        if node is not None:
            pids["cassandra"] = node.pid
        yield Servers(ready["address"], pids, data, metrics_port, arrangement.message_stores)
    finally:
        await _stop(process)


def _free_block() -> int:
    """The first of enough ports of loopback, in a row, that nobody listens on."""
    for first in range(*_PORTS):
        with ExitStack() as sockets, suppress(OSError):
            for port in range(first, first + _SERVICES):
                sockets.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise RuntimeError("no ports are free")


def _require_all(supervisor: int, pids: Pids) -> None:
    """No process of the stack may be missing from the bill."""
    unknown = {child.pid for child in psutil.Process(supervisor).children(recursive=True)} - set(pids.values())
    if unknown:
        raise RuntimeError(f"processes that are not counted: {unknown}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()  # its children end with it
        await process.wait()
