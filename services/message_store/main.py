"""The composition root of message_store."""

import asyncio
import secrets
import time

import structlog
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc, owner_pb2, owner_pb2_grpc

from libs.bus.nats import nats_bus
from libs.bus.port import BusUnavailable
from libs.http2.services import Services
from libs.log_store import Millis
from libs.runtime.memory import settle_memory
from libs.runtime.metrics import metrics_served, new_registry
from libs.runtime.process import every, running
from services.message_store.committer import Committer
from services.message_store.handlers import LogService
from services.message_store.metrics import AppendMetrics, measure_memory
from services.message_store.owner_service import OwnerService
from services.message_store.publisher import ANNOUNCE_SECONDS, Publisher
from services.message_store.reader import LogReader
from services.message_store.settings import MessageStoreSettings
from services.message_store.states import LogStates
from services.message_store.stores import open_log_store

SERVICES = (
    log_pb2.DESCRIPTOR.services_by_name["LogService"].full_name,
    owner_pb2.DESCRIPTOR.services_by_name["OwnerService"].full_name,
)


async def run(settings: MessageStoreSettings, stop: asyncio.Event) -> None:
    """Own the logs, or a share of them, and serve them until `stop` is set; then have others take them, answer what is open, ring
    for it, and let go of the rest.

    Raises:
        CannotStart: the logs cannot be opened, a certificate cannot be used, or an address is taken.
    """
    registry = new_registry()
    certificates = settings.certificates()
    incarnation = secrets.token_hex(8)
    async with (
        open_log_store(settings, incarnation, certificates) as (store, ring),
        nats_bus(settings.bus_address, "message_store", registry, certificates) as bus,
    ):
        states = LogStates(store, settings.memory_bytes)
        publisher = Publisher(bus, incarnation, store.shards)
        committer = Committer(store, states, publisher, AppendMetrics(registry), _now_ms)
        measure_memory(states, lambda: store.commits, registry)
        services = Services(registry)
        log_service = LogService(committer, LogReader(store, states), store)
        log_pb2_grpc.add_LogServiceServicer_to_server(log_service, services)  # type: ignore[arg-type] # it has what is used
        owner_pb2_grpc.add_OwnerServiceServicer_to_server(OwnerService(ring), services)  # type: ignore[arg-type] # likewise
        async with (
            metrics_served(settings.metrics_listen, registry),
            running(committer.run(), every(ANNOUNCE_SECONDS, publisher.announce_heads)),
            services.served(settings.listen, SERVICES, settings.drain_seconds, certificates),
        ):
            settle_memory()
            await stop.wait()
            await ring.leave()
        try:
            await bus.flush()
        except BusUnavailable:
            structlog.get_logger().warning("last_doorbells_not_heard")  # the gateways find the events by the heads


def _now_ms() -> Millis:
    return Millis(time.time_ns() // 1_000_000)
