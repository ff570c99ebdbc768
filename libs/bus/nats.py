"""The bus on NATS (core, no JetStream)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from prometheus_client import CollectorRegistry, Counter

from libs.bus.port import MAX_PAYLOAD_BYTES, Bus, BusUnavailable, Subscription

log = structlog.get_logger()

_FLUSH_SECONDS = 5
_RECONNECT_SECONDS = 0.2
_PENDING_BYTES = 64 * 1024 * 1024  # per subscription; beyond it nats-py drops and reports a slow consumer
_PENDING_MESSAGES = 64 * 1024
_OUTGOING_BYTES = 16 * 1024 * 1024  # kept while the server is away; beyond it publishes are dropped


class _NatsSubscription:
    def __init__(self, subscription: NatsSubscription) -> None:
        self._subscription = subscription

    async def cancel(self) -> None:
        try:
            await self._subscription.unsubscribe()
        except (nats.errors.ConnectionClosedError, nats.errors.BadSubscriptionError):
            return  # gone already


class _NatsBus:
    def __init__(self, client: Client, dropped: Counter) -> None:
        self._client = client
        self._dropped = dropped
        self._disturbance_handlers: list[Callable[[], None]] = []

    async def publish(self, subject: str, payload: bytes) -> None:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"payload of {len(payload)} bytes on {subject}: split it below {MAX_PAYLOAD_BYTES}")
        if self._client.pending_data_size + len(payload) > _OUTGOING_BYTES // 2:
            self._dropped.inc()  # above the client's own limit publish would wait for the socket
            return
        try:
            await self._client.publish(subject, payload)
        except nats.errors.Error:
            self._dropped.inc()

    async def subscribe(self, subject: str, handler: Callable[[bytes], None]) -> Subscription:
        async def deliver(message: Msg) -> None:
            handler(message.data)

        try:
            subscription = await self._client.subscribe(
                subject, cb=deliver, pending_msgs_limit=_PENDING_MESSAGES, pending_bytes_limit=_PENDING_BYTES
            )
        except nats.errors.Error as error:
            raise BusUnavailable(str(error)) from error
        return _NatsSubscription(subscription)

    async def flush(self) -> None:
        if not self._client.is_connected:
            raise BusUnavailable("not connected")  # nats-py would return as if the server had seen everything
        try:
            await self._client.flush(_FLUSH_SECONDS)
        except (nats.errors.Error, OSError) as error:
            raise BusUnavailable(str(error)) from error

    def on_disturbance(self, handler: Callable[[], None]) -> None:
        self._disturbance_handlers.append(handler)

    def disturbed(self) -> None:
        for handler in self._disturbance_handlers:
            handler()


@asynccontextmanager
async def nats_bus(address: str, name: str, registry: CollectorRegistry) -> AsyncIterator[Bus]:
    """Connect to NATS at `nats://host:port` or `unix://path` for as long as the body runs.

    A server that is down at first is waited for, and reconnected to for ever.
    """
    dropped = Counter("tertulia_bus_dropped", "Payloads that could not be handed to NATS.", registry=registry)
    disturbances = Counter("tertulia_bus_disturbances", "Times when payloads may have been lost.", registry=registry)
    client = Client()
    bus = _NatsBus(client, dropped)

    async def reconnected() -> None:
        log.warning("bus_reconnected")
        disturbances.inc()
        bus.disturbed()

    async def disconnected() -> None:
        if not client.is_closed:  # it calls back at our own close, too
            log.warning("bus_disconnected")

    async def failed(error: Exception) -> None:
        log.warning("bus_error", error=repr(error))
        if isinstance(error, nats.errors.SlowConsumerError):
            disturbances.inc()
            bus.disturbed()

    await _connect(client, address, name, reconnected, disconnected, failed)
    try:
        yield bus
    finally:
        with suppress(RuntimeError):  # nats-py writes what is pending, even to a closed connection
            await client.close()


async def _connect(
    client: Client,
    address: str,
    name: str,
    reconnected: Callable[[], Awaitable[None]],
    disconnected: Callable[[], Awaitable[None]],
    failed: Callable[[Exception], Awaitable[None]],
) -> None:
    while True:
        try:
            await client.connect(
                address,
                name=name,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RECONNECT_SECONDS,  # type: ignore[arg-type] # annotated int, passed to asyncio.sleep
                ping_interval=5,
                max_outstanding_pings=2,
                pending_size=_OUTGOING_BYTES,
                reconnected_cb=reconnected,
                disconnected_cb=disconnected,
                error_cb=failed,
            )
        except (nats.errors.Error, OSError) as error:
            log.warning("bus_not_reached", address=address, error=repr(error))
            await asyncio.sleep(_RECONNECT_SECONDS)
        else:
            return
