"""All services, as operators have them: the gateway behind TLS, with its limits as they are by default."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import grpc

from libs.rpc.client import open_channel
from services.gateway.settings import GatewaySettings
from tests.integration.gateway.processes import Around
from tests.support.authority import Authority
from tests.support.nats import nats_server
from tests.support.unlimited import UNLIMITED

NAME = "localhost"


class Target(NamedTuple):
    """What is flooded."""

    port: int
    pid: int
    """Of the gateway."""
    authority: Path
    """Who signed its certificate."""

    @property
    def address(self) -> str:
        return f"{NAME}:{self.port}"

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authority.read_bytes())


@asynccontextmanager
async def target(folder: Path) -> AsyncIterator[Target]:
    """A gateway with all that it needs, on fresh data; killed afterwards."""
    files = Authority().issue(folder / "tls", NAME)
    credentials = grpc.ssl_channel_credentials(files["service_ca"].read_bytes())
    async with nats_server() as nats, AsyncExitStack() as connections:

        def connect(address: str) -> grpc.aio.Channel:
            if address.startswith("unix:"):
                channel = open_channel(address)
            else:
                channel = grpc.aio.secure_channel(f"{NAME}:{address.rpartition(':')[2]}", credentials)
            connections.push_async_callback(channel.close)
            return channel

        fields = GatewaySettings.model_fields
        limits = {
            name: field.default for name, field in fields.items() if f"TERTULIA_GATEWAY_{name.upper()}" in UNLIMITED
        }
        tls = {"tls_certificate": files["service_certificate"], "tls_key": files["service_key"]}
        around = Around(nats, folder, connect, {**tls, **limits})
        try:
            for process in around.all:
                await process.start()
            port = int(around.gateway.address.rpartition(":")[2])
            yield Target(port, around.gateway.pid, files["service_ca"])
        finally:
            for process in around.all:
                await process.kill()
