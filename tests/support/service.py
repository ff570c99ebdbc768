"""A service as a process of its own, which can be stopped in every way and started again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import grpc

from libs.rpc.health import says_serving
from tests.support.freezing import freeze
from tests.support.ports import until
from tests.support.unlimited import UNLIMITED

_START_SECONDS = 60.0  # on a busy machine; usually it takes about one
_STOP_SECONDS = 20.0


class ServiceProcess:
    """`python -m services.<service>` at `address`, told its other settings, with its log in a file.

    Once it is started, calls on `channel`, which leads there, get through.
    """

    def __init__(self, service: str, address: str, channel: grpc.aio.Channel, log: Path, /, **settings: object) -> None:
        self.service = service
        self.address = address
        self.channel = channel
        self._log = log
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self.module = f"services.{service}"
        """What is run; a test may have one of its own, composed from other parts."""
        self.wrapper: tuple[str, ...] = ()
        """Words before its command; what they run must end in exec, so that signals reach the service."""
        self.environment: dict[str, str] = {}
        """Beside its settings."""

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        await self.launch()
        await self.up()

    async def launch(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.wrapper, *self._command(), env=self._environment(), stderr=log
            )

    async def up(self) -> None:
        """Wait until it answers."""
        await until(self._is_up, f"{self.service} answers", _START_SECONDS)

    @property
    def running(self) -> bool:
        """Whether it has a process, stopped or not."""
        return self._process is not None and self._process.returncode is None

    @property
    def exit_code(self) -> int | None:
        """That of its last process, if it has ended; negative: the signal that killed it."""
        return self._process.returncode if self._process is not None else None

    async def answers(self) -> bool:
        """Whether it says that it serves."""
        return await says_serving(self.channel)

    async def start_another(self, **settings: object) -> tuple[int, str]:
        """Start a second one, with some settings otherwise, that is to end by itself: its exit code, and what it logged."""
        process = await asyncio.create_subprocess_exec(
            *self._command(), env=self._environment(**settings), stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(_STOP_SECONDS):
            _, written = await process.communicate()
        assert process.returncode is not None
        return process.returncode, written.decode()

    async def command(self, *words: str) -> str:
        """Run one of its commands, with its settings; what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self._command(), *words, env=self._environment(), stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(_START_SECONDS):
            printed, _ = await process.communicate()
        assert process.returncode == 0
        return printed.decode().strip()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def freeze(self) -> None:
        """It does nothing more, but its sockets stay."""
        await freeze(self.pid)

    def thaw(self) -> None:
        """It goes on where it was frozen."""
        os.kill(self.pid, signal.SIGCONT)

    async def kill(self) -> None:
        """kill -9, if it runs."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM, if it runs; the exit code."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it ends by itself; the exit code."""
        assert self._process is not None
        async with asyncio.timeout(_STOP_SECONDS):
            return await self._process.wait()

    async def _end(self, signal_number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal_number)
        return await self.ended()

    def _command(self) -> tuple[str, ...]:
        return sys.executable, "-m", self.module

    def _environment(self, **otherwise: object) -> dict[str, str]:
        settings = {"listen": self.address, **self._settings, **otherwise}
        prefix = f"TERTULIA_{self.service.upper()}_"
        told = {prefix + name.upper(): str(value) for name, value in settings.items()}
        return {**os.environ, **UNLIMITED, **told, **self.environment}

    async def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, f"{self.service} ended: {self._log.read_text()[-2_000:]}"
        return await self.answers()
