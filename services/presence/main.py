"""The composition root of the presence service."""

import asyncio
import time

from prometheus_client import CollectorRegistry, Gauge
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.bus.nats import nats_bus
from libs.rpc.server import new_server, served
from libs.runtime.memory import settle_memory
from libs.runtime.metrics import metrics_served, new_registry
from libs.runtime.process import every, running
from services.presence.announcer import Announcer
from services.presence.roster import Roster
from services.presence.service import PresenceService
from services.presence.settings import PresenceSettings

SERVICE_NAME = presence_pb2.DESCRIPTOR.services_by_name["PresenceService"].full_name
_SWEEP_SECONDS = 0.5  # how late an offline may be announced; the grace is coarser


async def run(settings: PresenceSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        CannotStart: a certificate cannot be used, or an address cannot be listened on.
    """
    registry = new_registry()
    certificates = settings.certificates()
    roster = Roster(
        lease_seconds=settings.lease_seconds,
        grace_seconds=settings.grace_seconds,
        last_seen_users=settings.last_seen_users,
        monotonic=time.monotonic,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    _measure(roster, registry)
    async with nats_bus(settings.bus_address, "presence", registry, certificates) as bus:
        announcer = Announcer(bus, roster.standing, registry)

        async def sweep() -> None:
            announcer.announce(roster.sweep())

        server = new_server(registry)
        service = PresenceService(roster, announcer, bus, settings.lease_seconds)
        presence_pb2_grpc.add_PresenceServiceServicer_to_server(service, server)
        async with (
            metrics_served(settings.metrics_listen, registry),
            running(announcer.run(), every(_SWEEP_SECONDS, sweep)),
            served(server, settings.listen, [SERVICE_NAME], settings.drain_seconds, certificates),
        ):
            settle_memory()
            await stop.wait()


def _measure(roster: Roster, registry: CollectorRegistry) -> None:
    Gauge("tertulia_presence_online", "Users online.", registry=registry).set_function(lambda: roster.online_count)
    Gauge("tertulia_presence_gateways", "Gateways with a lease.", registry=registry).set_function(
        lambda: roster.gateway_count
    )
