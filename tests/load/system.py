"""NATS, Cassandra and all services as containers, on this machine's own network, by testcontainers."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from libs.runtime.settings import environment_prefix
from services.serve.ready import grpc_serving
from tests.deploy.services import SETTINGS
from tests.support.cassandra_config import NodeConfig
from tests.support.cassandra_docker import DATA, node_container
from tests.support.cassandra_node import Node
from tests.support.containers import Container, container_missing, sweep
from tests.support.images import CASSANDRA, NATS
from tests.support.ports import answers, free_port, until

MEMORY_BYTES = 512 * 1024 * 1024
"""What a service's container may use: the limit of the dev overlay."""

_HOST = "127.0.0.1"
_CASSANDRA_HOST = "127.0.0.31"  # port 9042 is taken as it is, so an address that nobody else has
_START_SECONDS = 90.0


class NoContainers(Exception):
    """Docker or an image is missing; the text says which, and what to do."""


class System:
    """Containers by the names of what runs in them."""

    def __init__(self, folder: Path, image: str, copies: Mapping[str, int]) -> None:
        """`copies`: how many of a service there are; one where it is not said."""
        self._image = image
        self._bus = f"nats://{_HOST}:{free_port()}"
        port = self._bus.rpartition(":")[2]
        self._nats = Container(NATS, ["-a", _HOST, "-p", port])
        config = NodeConfig(_CASSANDRA_HOST, _CASSANDRA_HOST, 0, 1, "batch", DATA)
        self._cassandra = node_container(config, folder)
        self._ports = {
            service: [free_port() for _ in range(copies.get(service, 1))]
            for service in ("message-store", "channel", "presence", "gateway")
        }
        self.services = {
            service if number == 1 else f"{service}-{number}": self._service(service, listen)
            for service, ports in self._ports.items()
            for number, listen in enumerate(ports, start=1)
        }
        self.address = ",".join(f"{_HOST}:{listen}" for listen in self._ports["gateway"])

    async def start(self) -> None:
        await self._nats.launch()
        await until(lambda: answers(int(self._bus.rpartition(":")[2])), "NATS accepts connections")
        await Node(_CASSANDRA_HOST, self._cassandra).start()
        for service, *more in (("message-store", "--create-with-replicas=1"), ("channel",)):
            await self._migrate(service, more)
        for container in self.services.values():
            await container.launch()
        for service, ports in self._ports.items():
            for listen in ports:
                await until(grpc_serving(f"{_HOST}:{listen}"), f"{service} serves", _START_SECONDS)

    async def kill(self, name: str) -> None:
        """kill -9, and start it again, as an orchestrator would."""
        await self.services[name].signal(signal.SIGKILL)
        await self.services[name].launch()

    async def pause(self, name: str, seconds: float) -> None:
        """It stands still for so long, and knows nothing of it."""
        await self.services[name].signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        await self.services[name].signal(signal.SIGCONT)
        if not await self.services[name].running():  # it was fenced meanwhile
            await self.services[name].launch()

    def pids(self) -> dict[str, int]:
        return {name: container.pid for name, container in self.services.items()}

    async def remove(self) -> None:
        for container in (*self.services.values(), self._cassandra, self._nats):
            await container.remove()

    def _service(self, service: str, listen: int) -> Container:
        def of(name: str) -> str:
            return ",".join(f"{_HOST}:{port}" for port in self._ports[name])

        owners = {"message_store": of("message-store")}
        own: Mapping[str, dict[str, str]] = {
            "message-store": self._on_cassandra(),
            "channel": {**self._on_cassandra(), **owners, "development": "true"},
            "presence": {},
            "gateway": {**owners, "channel": f"ipv4:{of('channel')}", "presence": f"ipv4:{of('presence')}"},
        }
        settings = {"listen": f"{_HOST}:{listen}", "bus_address": self._bus, **own[service]}
        return self._container(service, f"services.{service.replace('-', '_')}", settings)

    def _container(self, service: str, module: str, settings: Mapping[str, str], *words: str) -> Container:
        prefix = environment_prefix(SETTINGS[service].service)
        return Container(
            self._image,
            [module, *words],
            environment={prefix + name.upper(): value for name, value in settings.items()},
            memory_bytes=MEMORY_BYTES,
            locked=True,
        )

    def _on_cassandra(self) -> dict[str, str]:
        return {"store": "cassandra", "cassandra_nodes": _CASSANDRA_HOST}

    async def _migrate(self, service: str, words: list[str]) -> None:
        module = f"services.{service.replace('-', '_')}.migrate"
        container = self._container(service, module, self._on_cassandra(), *words)
        try:
            await container.launch()

            async def ended() -> bool:
                return not await container.running()

            await until(ended, f"the schema of {service} is made", _START_SECONDS)
            said = await container.output()
            assert "schema_is_current" in said, said
        finally:
            await container.remove()


@asynccontextmanager
async def running(folder: Path, image: str, copies: Mapping[str, int]) -> AsyncIterator[System]:
    """The system while the body runs; its containers are removed afterwards.

    Raises:
        NoContainers: see there.
    """
    for needed, hint in ((NATS, "pull it"), (CASSANDRA, "pull it"), (image, "`make image`")):
        if reason := container_missing(needed):
            raise NoContainers(f"{reason}; {needed}: {hint}")
    await asyncio.to_thread(sweep)
    system = System(folder, image, copies)
    try:
        await system.start()
        yield system
    finally:
        await system.remove()
