"""The real services around a gateway, each a process of its own, and tokens for them."""

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.directory.applications import Key, Scope
from libs.directory.sqlite import sqlite_directory
from libs.rpc.client import open_channel
from tests.support.key_pairs import ED25519, public_bytes
from tests.support.nats import NatsServer, nats_server
from tests.support.ports import free_port
from tests.support.service import ServiceProcess

APPLICATION = "dev"
KEY = "dev"
SECRET = "tertulia-development-secret-not-for-production"  # noqa: S105 - known to everybody


KEY_PAIR = "key-pair"
"""Another key of the application, whose public half is known: tokens are signed with ED25519."""
_OTHER_KEYS = (
    Key(APPLICATION, KEY_PAIR, secret=b"", public_key=public_bytes(ED25519)),
    *(Key(APPLICATION, scope, SECRET.encode(), scopes=frozenset({scope})) for scope in Scope),
)
"""Also one for each scope, which is its id, with the same secret."""


def user_token(user_id: str, seconds: float = 600) -> str:
    return token(sub=user_id, exp=time.time() + seconds)


def server_token() -> str:
    return token(server=True)


def token(secret: str | Ed25519PrivateKey = SECRET, key_id: str = KEY, **claims: object) -> str:
    """A token with any claims; those that are not given are good ones."""
    good = {"iss": APPLICATION, "aud": "tertulia", "exp": time.time() + 600}
    algorithm = "HS256" if isinstance(secret, str) else "EdDSA"
    return jwt.encode({**good, **claims}, secret, algorithm=algorithm, headers={"kid": key_id})


class Around:
    """NATS and the services."""

    def __init__(
        self, nats: NatsServer, folder: Path, connect: Callable[[str], grpc.aio.Channel], settings: dict[str, object]
    ) -> None:
        def socket(name: str) -> str:
            return f"unix:{folder}/{name}.sock"

        def process(name: str, address: str, **more: object) -> ServiceProcess:
            log = folder / f"{name}.log"
            return ServiceProcess(
                name, address, connect(address), log, bus_address=nats.address, drain_seconds=5, **more
            )

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
            **settings,
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
    async with nats_server() as nats, AsyncExitStack() as connections:

        def connect(address: str) -> grpc.aio.Channel:
            channel = open_channel(address)
            connections.push_async_callback(channel.close)
            return channel

        async with sqlite_directory(folder / "channel.sqlite") as directory:
            for key in _OTHER_KEYS:
                await directory.applications.create_key(key)
        around = Around(nats, folder, connect, gateway_settings)
        try:
            for process in around.all:
                await process.start()
            yield around
        finally:
            for process in around.all:
                await process.kill()
