"""Puts a stack together that can be broken."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

from libs.rpc.client import open_channel
from libs.runtime.process import running
from tests.faults.composed import COMPOSITION, FOLDER
from tests.faults.links import Link, link_to
from tests.faults.network import Network, missing
from tests.faults.stack import NATS, FaultStack, Shape
from tests.support.cassandra_ring import CassandraRing
from tests.support.log_keyspace import LogKeyspace
from tests.support.nats import nats_server
from tests.support.ports import free_port
from tests.support.service import ServiceProcess

_HOST = "127.0.0.1"
_DRAIN_SECONDS = 3
_FIRST_GROUP = 100_000  # of those that nobody uses; only processes of this suite run as them
_GROUPS = 32  # of one run; those of another run beside it are others


@asynccontextmanager
async def fault_stack(
    folder: Path, shape: Shape, keyspace: LogKeyspace | None = None, ring: CassandraRing | None = None
) -> AsyncIterator[FaultStack]:
    """A stack, on SQLite or on a keyspace, for as long as the body runs. Its data and logs are in `folder`."""
    async with AsyncExitStack() as opened:
        nats = await opened.enter_async_context(nats_server())
        network = None if missing() else opened.enter_context(closing(Network()))
        ports = {service: free_port() for service in ("channel", "presence")}
        stores = [free_port() for _ in range(shape.stores)]
        links = {
            service: await opened.enter_async_context(link_to(port))
            for service, port in {**ports, "message_store": stores[0], NATS: nats.port}.items()
            if service in shape.slow
        }
        reached = _addresses(ports, stores, links)
        bus = f"nats://{links[NATS].address}" if NATS in links else nats.address
        services: dict[str, ServiceProcess] = {}
        groups: dict[str, int] = {}

        async def add(service: str, port: int, settings: Mapping[str, str], number: int = 1) -> None:
            name = service if number == 1 else f"{service}-{number}"
            address = f"{_HOST}:{port}"
            channel = await opened.enter_async_context(open_channel(address))
            told = {"bus_address": bus, "drain_seconds": str(_DRAIN_SECONDS), **settings}
            process = services[name] = ServiceProcess(service, address, channel, folder / f"{name}.log", **told)
            if service in shape.composed:
                process.module = f"tests.faults.composed.{service}"
                process.environment |= {COMPOSITION: shape.composed[service], FOLDER: str(folder)}
            process.environment |= shape.environment.get(service, {})
            if network is not None:
                groups[name] = _FIRST_GROUP + _GROUPS * os.getpid() + len(services)
                process.wrapper = ("setpriv", f"--regid={groups[name]}", "--clear-groups")
                network.know(groups[name])

        engine = _engine(folder, shape, keyspace, ring)
        for number, port in enumerate(stores, start=1):
            await add("message_store", port, engine["message_store"], number)
        await add("presence", ports["presence"], {})
        talks_to = {"message_store": reached["message_store"], "development": "true"}
        await add("channel", ports["channel"], {**engine["channel"], **talks_to})
        for number in range(1, shape.gateways + 1):
            await add("gateway", free_port(), reached, number)
        stack = FaultStack(folder, nats, services, keyspace, ring, network, groups, links)
        stack.logs = shape.disk or stack.logs
        try:
            await stack.launch_all()
            async with running(stack.supervise()):
                await stack.all_answer()
                yield stack
        finally:
            await stack.end()


def _addresses(ports: Mapping[str, int], stores: list[int], links: Mapping[str, Link]) -> dict[str, str]:
    """Where the others reach each service. Of several message_stores all are named: one that answers says who owns what."""
    reached = {service: f"{_HOST}:{port}" for service, port in ports.items()}
    reached["message_store"] = ",".join(f"{_HOST}:{port}" for port in stores)
    return {service: links[service].address if service in links else reached[service] for service in reached}


def _engine(
    folder: Path, shape: Shape, keyspace: LogKeyspace | None, ring: CassandraRing | None
) -> dict[str, dict[str, str]]:
    """What the two services that keep something are told of their database."""
    if keyspace is None:
        logs, database = shape.disk or folder / "logs", folder / "channel.sqlite"
        return {"message_store": {"data_dir": str(logs)}, "channel": {"database": str(database)}}
    settings = keyspace.settings
    if ring is not None:
        settings["cassandra_nodes"] = ",".join(map(str, ring.contact_points))
    return {"message_store": settings, "channel": settings}
