"""A service as a process of its own, which can be stopped in every way and started again."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import grpc

from libs.rpc.health import says_serving
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
        self._channel = channel
        self._log = log
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._command(), env=self._environment(), stderr=log)
        await until(self._is_up, f"{self.service} answers", _START_SECONDS)

    async def start_another(self, **settings: object) -> tuple[int, str]:
        """Start a second one, with some settings otherwise, that is to end by itself: its exit code, and what it logged."""
        process = await asyncio.create_subprocess_exec(
            *self._command(), env=self._environment(**settings), stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(_STOP_SECONDS):
            _, written = await process.communicate()
        assert process.returncode is not None
        return process.returncode, written.decode()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

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
        return sys.executable, "-m", f"services.{self.service}"

    def _environment(self, **otherwise: object) -> dict[str, str]:
        settings = {"listen": self.address, **self._settings, **otherwise}
        prefix = f"TERTULIA_{self.service.upper()}_"
        return {**os.environ, **UNLIMITED, **{prefix + name.upper(): str(value) for name, value in settings.items()}}

    async def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, f"{self.service} ended: {self._log.read_text()[-2_000:]}"
        return await says_serving(self._channel)
