"""All of Tertulia as a cluster runs it: a process per service that knows the others by TCP addresses alone, on Cassandra and NATS.

Nobody starts them in order, and none is the parent of another. What is killed comes back by itself, as under any supervisor;
what ends without being killed stays away, and the test with it.

They speak by mutual TLS, with NATS, too; clients reach the gateways without. Where Cassandra asks who comes, as the tests' own does, they
log in as a user that may read and write in the keyspace, and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from tertulia.tokens import Secret

from libs.rpc.callers import CHANNEL, GATEWAY, MESSAGE_STORE, PRESENCE
from libs.rpc.certificates import Certificates
from libs.rpc.client import open_channel
from libs.rpc.peers import open_service
from tests.support.applications import create_application
from tests.support.authority import Authority
from tests.support.keyspace import Keyspace
from tests.support.nats import PASSWORD, NatsServer, nats_server
from tests.support.ports import free_port
from tests.support.service import ServiceProcess
from tests.support.stack import NATS, Stack

_DRAIN_SECONDS = 5
_WITH_CERTIFICATES = (MESSAGE_STORE, CHANNEL, PRESENCE, GATEWAY)


class SeparateStack(Stack):
    """Its parts: the services, `nats-server`, and with more than one gateway `gateway-2`, `gateway-3` …"""

    def __init__(
        self,
        nats: NatsServer,
        services: dict[str, ServiceProcess],
        another: Secret,
        authority: Authority,
        folder: Path,
        keyspace: Keyspace,
    ) -> None:
        gateways = [service.address for service in services.values() if service.service == "gateway"]
        super().__init__(",".join(gateways), another)
        self.passwords = (PASSWORD, *([keyspace.login.password] if keyspace.login else ()))
        self.nats = nats
        self.services = services
        self._authority = authority
        self._folder = folder
        self._comebacks: set[asyncio.Task[None]] = set()

    def pid(self, part: str) -> int:
        return self._part(part).pid

    def kill(self, part: str) -> None:
        self._comebacks.add(asyncio.create_task(self._bounce(part)))

    async def _bounce(self, part: str) -> None:
        await self._part(part).kill()
        await self._part(part).start()

    def _part(self, part: str) -> NatsServer | ServiceProcess:
        return self.nats if part == NATS else self.services[part]

    async def renew_certificates(self) -> None:
        old, self._authority = self._authority, Authority()
        everybody = [self._folder / f"tls-{service}" for service in _WITH_CERTIFICATES]
        for folder in (*everybody, self._folder / "tls-nats"):
            (folder / "service_ca.pem").write_bytes(self._authority.pem + old.pem)
        await self.nats.reload()
        for service, folder in zip(_WITH_CERTIFICATES, everybody, strict=True):
            self._authority.issue(folder, service, believed=old.pem)

    async def start(self) -> None:
        """Start all services, in no order."""
        async with asyncio.TaskGroup() as starting:
            for service in self.services.values():
                starting.create_task(service.start())

    async def stop(self) -> None:
        """Stop all services gracefully, those first that others do not need.

        Raises:
            AssertionError: one does not come back, or does not stop cleanly.
        """
        for comeback in self._comebacks:
            await comeback
        codes = {name: await service.stop() for name, service in reversed(list(self.services.items()))}
        assert set(codes.values()) == {0}, f"exit codes of the services: {codes}"

    async def kill_all(self) -> None:
        """kill -9 of what still runs."""
        for comeback in self._comebacks:
            comeback.cancel()
        for service in self.services.values():
            await service.kill()


@asynccontextmanager
async def separate_stack(folder: Path, keyspace: Keyspace, *, gateways: int = 1) -> AsyncIterator[SeparateStack]:
    """All of it, on a keyspace with the tables of all and a NATS of its own that lets nobody do more than operators are told; stopped gracefully afterwards. Logs are in `folder`."""
    authority = Authority()
    own = {service: authority.issue(folder / f"tls-{service}", service) for service in _WITH_CERTIFICATES}
    tls = authority.issue(folder / "tls-nats", "localhost")
    async with nats_server(permissions=folder, tls=tls) as nats, AsyncExitStack() as connections:
        on_cassandra = keyspace.settings
        addresses = {service: f"127.0.0.1:{free_port()}" for service in ("message_store", "presence", "channel")}
        services: dict[str, ServiceProcess] = {}

        async def add(service: str, address: str, name: str, **settings: str) -> None:
            channel: grpc.aio.Channel = await connections.enter_async_context(
                open_channel(address)
                if service == GATEWAY
                else open_service(address, service, Certificates(*own[GATEWAY].values()))
            )
            services[name] = ServiceProcess(
                service,
                address,
                channel,
                folder / f"{name}.log",
                bus_address=nats.address_for(service),
                drain_seconds=_DRAIN_SECONDS,
                **own[service],
                **settings,
            )

        for service, settings in {
            "message_store": on_cassandra,
            "presence": {},
            "channel": {**on_cassandra, "message_store": addresses["message_store"], "development": "true"},
        }.items():
            await add(service, addresses[service], service, **settings)
        for number in range(1, gateways + 1):
            suffix = f"-{number}" if number > 1 else ""
            await add("gateway", f"127.0.0.1:{free_port()}", f"gateway{suffix}", **addresses)
        another = await create_application("another", **on_cassandra)
        stack = SeparateStack(nats, services, another, authority, folder, keyspace)
        try:
            await stack.start()
            yield stack
            await stack.stop()
        finally:
            await stack.kill_all()
