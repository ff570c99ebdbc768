"""The real services around a gateway, each a process of its own, and tokens for them."""

import asyncio
import os
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import jwt

from services.serve.ready import grpc_serving
from tests.support.nats import NatsServer, nats_server
from tests.support.ports import free_port, until

APPLICATION = "dev"
KEY = "dev"
SECRET = "tertulia-development-secret-not-for-production"  # noqa: S105 - known to everybody
_STOP_SECONDS = 20.0


def user_token(user_id: str, seconds: float = 600) -> str:
    return token(sub=user_id, exp=time.time() + seconds)


def server_token() -> str:
    return token(server=True)


def token(secret: str = SECRET, key_id: str = KEY, **claims: object) -> str:
    """A token with any claims; those that are not given are good ones."""
    good = {"iss": APPLICATION, "aud": "tertulia", "exp": time.time() + 600}
    return jwt.encode({**good, **claims}, secret, algorithm="HS256", headers={"kid": key_id})


class Process:
    """A service that can be stopped in every way and started again."""

    def __init__(self, service: str, address: str, log: Path, **settings: object) -> None:
        self._service = service
        self.address = address
        self._log = log
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        prefix = f"TERTULIA_{self._service.upper()}_"
        settings = {prefix + name.upper(): str(value) for name, value in self._settings.items()}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{self._service}",
                env={**os.environ, **settings, f"{prefix}LISTEN": self.address},
                stderr=log,
            )
        await until(self._is_up, f"{self._service} answers")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """It does nothing more, but its sockets stay."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    async def ended(self) -> int:
        """Wait for it to end; its exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)

    async def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, f"{self._service} ended: {self._log.read_text()[-2000:]}"
        return await grpc_serving(self.address)()


class Around:
    """NATS and the services."""

    def __init__(self, nats: NatsServer, folder: Path, gateway_settings: dict[str, object]) -> None:
        def socket(name: str) -> str:
            return f"unix:{folder}/{name}.sock"

        def process(name: str, address: str, **settings: object) -> Process:
            log = folder / f"{name}.log"
            return Process(name, address, log, bus_address=nats.address, drain_seconds=5, **settings)

        self.nats = nats
        self.folder = folder
        self.message_store = process("message_store", socket("message_store"), data_dir=folder / "logs")
        self.presence = process("presence", socket("presence"), grace_seconds=0, lease_seconds=3)
        self.channel = process(
            "channel",
            socket("channel"),
            message_store=self.message_store.address,
            database=folder / "channel.sqlite",
            development="true",
        )
        self.metrics_port = free_port()
        self.gateway = process(
            "gateway",
            f"127.0.0.1:{free_port()}",
            message_store=self.message_store.address,
            channel=self.channel.address,
            presence=self.presence.address,
            metrics_listen=f"127.0.0.1:{self.metrics_port}",
            **gateway_settings,
        )
        self.all = [self.message_store, self.presence, self.channel, self.gateway]

    async def figure(self, name: str) -> float:
        """One of the gateway's figures, as Prometheus would scrape it."""
        page = await asyncio.to_thread(_get, f"http://127.0.0.1:{self.metrics_port}/metrics")
        [line] = [line for line in page.splitlines() if line.split(" ")[0] == f"tertulia_gateway_{name}"]
        return float(line.split(" ")[1])


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own process
        return str(response.read().decode())


@asynccontextmanager
async def running(folder: Path, **gateway_settings: object) -> AsyncIterator[Around]:
    """Everything, with some settings of the gateway; killed afterwards."""
    async with nats_server() as nats:
        around = Around(nats, folder, gateway_settings)
        try:
            for process in around.all:
                await process.start()
            yield around
        finally:
            for process in around.all:
                await process.kill()
