"""All of Tertulia, running: what every way to run it has in common, and the way of a laptop, `tertulia serve`."""

import asyncio
import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from tertulia.tokens import Secret

from tests.support.unlimited import UNLIMITED

COMMAND = Path(sys.executable).parent / "tertulia"
SERVICES = ("message_store", "channel", "presence", "gateway", "web")
NATS = "nats-server"
_START_SECONDS = 60
_STOP_SECONDS = 30


class Stack(ABC):
    """Everything that a client needs, at `address`: `host:port`, or several with commas where there are several gateways."""

    def __init__(self, address: str, another: Secret | None) -> None:
        self.address = address
        self.another = another
        """The secret of an application beside the development one, where one was made."""
        self.passwords: tuple[str, ...] = ()
        """By which its services are let into what they use."""

    @abstractmethod
    def pid(self, part: str) -> int:
        """The process of a service, or of `nats-server`, as it runs now.

        Raises:
            ProcessLookupError: it is down just now.
        """

    @abstractmethod
    def kill(self, part: str) -> None:
        """kill -9 of one process. It is started again by itself."""

    async def renew_certificates(self) -> None:  # noqa: B027 - where services have none, there is nothing to do
        """Give all services new ones, of a new authority, while they run."""

    def environment(self) -> dict[str, str]:
        """The environment in which the `tertulia` command talks to this stack."""
        return {**os.environ, "TERTULIA_ADDRESS": self.address}

    async def run(self, *arguments: str, seconds: float = 60) -> tuple[int, str, str]:
        """Run a `tertulia` command against this stack: its exit code, standard output and standard error."""
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            *arguments,
            env=self.environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(seconds):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def json(self, *arguments: str, seconds: float = 60) -> list[dict[str, object]]:
        """Run a command with `--json` that must succeed: the objects that it printed."""
        code, out, err = await self.run(*arguments, "--json", seconds=seconds)
        assert code == 0, f"tertulia {' '.join(arguments)} ended with {code}: {err}"
        return [json.loads(line) for line in out.splitlines()]


class ServeStack(Stack):
    """A running `tertulia serve`, which supervises its processes. With more than one gateway they are `gateway`, `gateway-2` …"""

    def __init__(
        self, process: asyncio.subprocess.Process, address: str, web: str, another: Secret | None, data: Path
    ) -> None:
        super().__init__(address, another)
        self._process = process
        self.web = web
        """Of the web door: `http://host:port`."""
        self.data = data

    @property
    def supervisor_pid(self) -> int:
        return self._process.pid

    def pid(self, part: str) -> int:
        service, _, number = part.partition("-") if part != NATS else (part, "", "")
        listen = self.address.split(",")[int(number or 1) - 1]
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                words, environment = child.cmdline(), child.environ()
            except psutil.Error:
                continue
            if service == "gateway" and environment.get("TERTULIA_GATEWAY_LISTEN") != listen:
                continue
            if f"services.{service}" in words or (words and Path(words[0]).name == part):
                return child.pid
        raise ProcessLookupError(f"{part} is not running")

    def kill(self, part: str) -> None:
        os.kill(self.pid(part), signal.SIGKILL)


@asynccontextmanager
async def running_stack(data: Path, *options: str, another: Secret | None = None) -> AsyncIterator[ServeStack]:
    """`tertulia serve` on free ports with its data in `data`; stopped gracefully afterwards. `another`: as in `Stack`."""
    with (data.parent / "serve.stderr").open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            COMMAND,
            "serve",
            "--port",
            "0",
            "--data",
            str(data),
            "--json",
            *options,
            env={**os.environ, **UNLIMITED},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline()
        assert line, f"tertulia serve did not start; see {data.parent / 'serve.stderr'}"
        ready = json.loads(line)
        yield ServeStack(process, ready["address"], ready["web"], another, data)
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
