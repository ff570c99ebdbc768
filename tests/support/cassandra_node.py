"""One node of Cassandra that a test may start, stop, kill and start again, and the process it runs as."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tests.support.cassandra_config import CQL_PORT, MAIN_CLASS, MEMLOCK_BYTES, NodeConfig, java_options, write_conf
from tests.support.cassandra_jars import java
from tests.support.cql import ContactPoint, speaks_cql
from tests.support.freezing import freeze

START_SECONDS = 120
"""A node needs 6 to 13 s on two idle cores, several times that beside a busy test run."""

_POLL_SECONDS = 0.1
_OUTPUT_LINES = 40
_OPEN_FILES = 16384


class Machine(Protocol):
    """What a node runs in. Data outlive everything but `remove`."""

    async def launch(self) -> None:
        """Start it; it need not be ready on return. Only when it is not running."""

    async def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGKILL returns when the process is gone, SIGSTOP of a process of this machine when it stands still.

        Harmless when it is not running.
        """

    async def running(self) -> bool:
        """Whether its process exists (also a stopped one)."""

    async def output(self) -> str:
        """The last lines that it logged."""

    async def remove(self) -> None:
        """Kill it and forget its data. May be called twice."""


class Node:
    """A node of a ring."""

    def __init__(self, host: str, machine: Machine) -> None:
        self.point = ContactPoint(host, CQL_PORT)
        self._machine = machine

    async def start(self) -> None:
        """Start it, the first time or on the data that it had when it was killed; return when it answers CQL.

        Raises:
            AssertionError: it did not come up; the text holds the end of its log.
        """
        await self._machine.launch()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while not await asyncio.to_thread(speaks_cql, self.point):
            if not await self._machine.running():
                raise AssertionError(f"Cassandra at {self.point} ended:\n{await self._machine.output()}")
            if loop.time() > deadline:
                raise AssertionError(
                    f"no CQL at {self.point} within {START_SECONDS} s:\n{await self._machine.output()}"
                )
            await asyncio.sleep(_POLL_SECONDS)

    async def kill(self) -> None:
        """kill -9. Its data stay."""
        await self._machine.signal(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        await self._machine.signal(signal.SIGSTOP)

    async def cont(self) -> None:
        """SIGCONT: it goes on where it was stopped."""
        await self._machine.signal(signal.SIGCONT)

    async def running(self) -> bool:
        """Whether it has a process, stopped or not."""
        return await self._machine.running()


class ProcessMachine:
    """A node as a process of this machine, below `directory`."""

    def __init__(self, config: NodeConfig, directory: Path, jars: Path, environment: Mapping[str, str]) -> None:
        self._config = config
        self._directory = directory
        self._jars = jars
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def launch(self) -> None:
        conf = self._directory / "conf"
        write_conf(self._config, conf)
        command = java()
        (agent,) = self._jars.glob("jamm-*.jar")  # measures objects for memtable limits; Cassandra insists on it
        assert command is not None, "checked by process_missing"
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_tethered(),
                command,
                *java_options(self._config, str(conf)),
                f"-Djava.io.tmpdir={self._directory}",  # native libraries unpacked there outlive a kill -9
                f"-javaagent:{agent}",
                "-cp",
                f"{conf}:{self._jars}/*",
                MAIN_CLASS,
                env={**os.environ, **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C at a terminal is for the tests; they end their nodes themselves
            )

    async def signal(self, number: signal.Signals) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        if number == signal.SIGSTOP:
            await freeze(self._process.pid)
            return
        self._process.send_signal(number)
        if number == signal.SIGKILL:
            await self._process.wait()

    async def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def output(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_OUTPUT_LINES:])

    async def remove(self) -> None:
        """The directory belongs to whoever gave it."""
        await self.signal(signal.SIGKILL)

    @property
    def _log(self) -> Path:
        return self._directory / "output.log"


def _tethered() -> list[str]:
    """The words before a command that tie it to this process, and keep its memory small.

    Both programs end in exec, so that signals reach the node itself. It dies with the *thread* that started it, even when
    that is killed with -9; under asyncio this is the thread of the loop.
    """
    words = ["prlimit", f"--memlock={MEMLOCK_BYTES}", f"--nofile={_OPEN_FILES}", "setpriv", "--pdeathsig=KILL"]
    if os.geteuid() == 0:
        # Cassandra locks its whole memory where it may, and root may whatever the limit says: 300 MiB more resident
        # and a slower start. Without this capability the limit of prlimit holds.
        words += ["--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock"]
    return words
