"""The servers under measurement as a cluster has them: a process each, over TCP on loopback, with or without TLS between them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from libs.rpc.callers import CHANNEL, GATEWAY, MESSAGE_STORE, PRESENCE
from libs.rpc.certificates import Certificates
from libs.rpc.client import open_channel
from libs.rpc.peers import open_service
from tests.bench.arrangements import Arrangement
from tests.bench.revisions import Revision
from tests.support.authority import Authority
from tests.support.nats import NatsServer, nats_server
from tests.support.ports import free_port
from tests.support.service import ServiceProcess
from tests.support.stack import NATS

Settings = Mapping[str, object]


@asynccontextmanager
async def services_apart(
    revision: Revision, data: Path, arrangement: Arrangement, metrics_port: int
) -> AsyncIterator[tuple[str, dict[str, int]]]:
    """Start them on SQLite files in `data`; kill them afterwards. Yields the gateways' addresses, and the processes by name.

    `metrics_port`: of message_store.
    """
    await asyncio.to_thread(data.mkdir)
    secured = arrangement.secured
    authority = Authority()
    own = {each: authority.issue(data / f"tls-{each}", each) for each in (MESSAGE_STORE, CHANNEL, PRESENCE, GATEWAY)}
    tls = authority.issue(data / "tls-nats", "localhost")
    async with (
        nats_server(permissions=data, tls=tls) if secured else nats_server() as nats,
        AsyncExitStack() as connections,
    ):
        processes: dict[str, ServiceProcess] = {}

        async def start(name: str, service: str, **settings: object) -> str:
            address = f"127.0.0.1:{free_port()}"
            channel = await connections.enter_async_context(
                open_service(address, service, Certificates(*own[GATEWAY].values()))
                if secured and service != GATEWAY
                else open_channel(address)
            )
            shown: Settings = own[service] if secured else {}
            more = {"bus_address": _bus(nats, service, secured=secured), **shown, **settings}
            processes[name] = ServiceProcess(service, address, channel, data / f"{name}.log", **more)
            processes[name].environment = revision.environment
            await processes[name].start()
            return address

        try:
            metrics = f"127.0.0.1:{metrics_port}"
            store = await start(MESSAGE_STORE, MESSAGE_STORE, data_dir=data / MESSAGE_STORE, metrics_listen=metrics)
            presence = await start(PRESENCE, PRESENCE)
            database = data / "channel.sqlite"
            channel = await start(CHANNEL, CHANNEL, message_store=store, database=database, development="true")
            others = {"message_store": store, "presence": presence, "channel": channel}
            gateways = [
                await start(GATEWAY if number == 1 else f"{GATEWAY}-{number}", GATEWAY, **others)
                for number in range(1, arrangement.gateways + 1)
            ]
            yield ",".join(gateways), {name: process.pid for name, process in processes.items()} | {NATS: nats.pid}
        finally:
            for process in processes.values():
                await process.kill()


def _bus(nats: NatsServer, service: str, *, secured: bool) -> str:
    return nats.address_for(service) if secured else nats.address
