"""The bus on NATS (core, no JetStream)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats
import nats.errors
import structlog
from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.aio.transport import TcpTransport
from prometheus_client import CollectorRegistry, Counter

from libs.bus.port import MAX_PAYLOAD_BYTES, Bus, BusUnavailable, Subscription
from libs.rpc.certificates import Certificates
from libs.runtime.errors import CannotStart

log = structlog.get_logger()

_TLS = "tls://"
_SCHEMES = ("nats://", _TLS)
_FLUSH_SECONDS = 5
_RECONNECT_SECONDS = 0.2
_PING_SECONDS = 2  # a third one after two without an answer is not sent: a dead connection is noticed within 6 s
_OUTGOING_BYTES = 16 * 1024 * 1024  # kept while the server is away; beyond it publishes are dropped
_CLOSE_SECONDS = 2.0  # for what is pending at the end; nobody is promised that it arrives


class _Client(Client):
    """nats-py's client, with some things done in another way.

    Payloads are handed over as they are parsed: nats-py's task and queue for each subscription cost 10 µs a payload, and
    3 KiB for each log that a gateway follows. So what comes too fast waits in the socket, and then at the server.

    It lets go of a connection that takes nothing any more (a dead network, a frozen server). nats-py closes the old connection
    first and waits until all that was written to it is sent. On such a connection that is when TCP gives up, some 15 minutes
    later.

    Where TLS is asked for it does not go on without, believes nothing that was said before, and each handshake is done with the
    certificates of its time.
    """

    def __init__(self, certificates: Certificates | None, *, over_tls: bool) -> None:
        super().__init__()
        self._certificates = certificates
        self._over_tls = over_tls
        self._handlers: dict[int, Callable[[bytes], None]] = {}
        self._no_queue: asyncio.Queue[Msg] = asyncio.Queue(1)
        """In the place of each subscription's own, which would not be used and takes 2 KiB."""

    async def hear(self, subject: str, handler: Callable[[bytes], None]) -> NatsSubscription:
        """Subscribe to a subject."""
        subscription = await self.subscribe(subject)
        self._handlers[_sid(subscription)] = handler
        subscription._pending_queue = self._no_queue  # noqa: SLF001 - no public way to it
        return subscription

    def forget(self, subscription: NatsSubscription) -> None:
        """Hand over no more."""
        self._handlers.pop(_sid(subscription), None)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:  # noqa: ARG002 - nats-py calls it so
        handler = self._handlers.get(sid)
        if handler is None:
            return
        try:
            handler(data)
        except Exception:  # raised here it would end the connection, which all subscriptions share
            log.exception("bus_handler_failed", subject=subject.decode(errors="replace"))

    async def _connect_to_server(self, s: Srv) -> None:
        _leave_if_cancelled()
        if self._certificates is not None:
            self.options["tls"] = self._certificates.current().client
        await super()._connect_to_server(s)

    async def _process_connect_init(self) -> None:
        try:
            await super()._process_connect_init()
        except Exception:
            # nats-py would wait for the connection to say that it is closed; one on which TLS has failed never does
            self.cut()
            self._transport = None
            raise

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self._over_tls and initial_connection:
            if not info.get("tls_required"):
                raise nats.errors.Error("the server speaks no TLS, and the address says tls://")
            # this comes before TLS: whoever is in between could name a server that has a certificate, and be told our password
            info.pop("connect_urls", None)
        await super()._process_info(info, initial_connection)

    async def _attempt_reconnect(self) -> None:
        self.cut()
        await super()._attempt_reconnect()

    def cut(self) -> None:
        """Drop the connection with what is still unsent."""
        if isinstance(self._transport, TcpTransport) and self._transport._io_writer is not None:  # noqa: SLF001 - no public way to it
            self._transport._io_writer.transport.abort()  # noqa: SLF001


def _leave_if_cancelled() -> None:
    """Be cancelled now if that was asked for and got lost.

    wait_for of Python 3.11 takes what comes together with a cancellation for the outcome, an error, too, and nats-py tries
    again for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _sid(subscription: NatsSubscription) -> int:
    """How the server names a subscription in each payload."""
    return subscription._id  # noqa: SLF001 - no public way to it


class _NatsSubscription:
    def __init__(self, client: _Client, subscription: NatsSubscription) -> None:
        self._client = client
        self._subscription = subscription

    async def cancel(self) -> None:
        self._client.forget(self._subscription)
        try:
            await self._subscription.unsubscribe()
        except (nats.errors.ConnectionClosedError, nats.errors.BadSubscriptionError):
            return  # gone already


class _NatsBus:
    def __init__(self, client: _Client, dropped: Counter) -> None:
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
        try:
            subscription = await self._client.hear(subject, handler)
        except nats.errors.Error as error:
            raise BusUnavailable(str(error)) from error
        return _NatsSubscription(self._client, subscription)

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
async def nats_bus(
    address: str, name: str, registry: CollectorRegistry, certificates: Certificates | None = None
) -> AsyncIterator[Bus]:
    """Connect to NATS at `nats://host:port` or `tls://host:port` for as long as the body runs.

    Over TLS the server must have a certificate for that host, of the authority of `certificates`, and is shown ours.
    A server that is down at first is waited for, and reconnected to for ever.

    Raises:
        CannotStart: it is no such address.
    """
    dropped = Counter("tertulia_bus_dropped", "Payloads that could not be handed to NATS.", registry=registry)
    disturbances = Counter("tertulia_bus_disturbances", "Times when payloads may have been lost.", registry=registry)
    client = _Client(certificates, over_tls=address.startswith(_TLS))
    bus = _NatsBus(client, dropped)
    last_error = ""

    async def reconnected() -> None:
        nonlocal last_error
        last_error = ""
        log.warning("bus_reconnected")
        disturbances.inc()
        bus.disturbed()

    async def disconnected() -> None:
        if not client.is_closed:  # it calls back at our own close, too
            log.warning("bus_disconnected")

    async def failed(error: Exception) -> None:
        nonlocal last_error
        if repr(error) != last_error:  # each try to connect fails in the same way, five times a second
            last_error = repr(error)
            log.warning("bus_error", error=last_error)

    if not address.startswith(_SCHEMES):
        raise CannotStart(f"bus_address must begin with {' or '.join(_SCHEMES)}")  # not shown: it may hold a password
    try:
        await client.connect(
            address,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_RECONNECT_SECONDS,  # type: ignore[arg-type] # annotated int, passed to asyncio.sleep
            ping_interval=_PING_SECONDS,
            max_outstanding_pings=2,
            pending_size=_OUTGOING_BYTES,
            reconnected_cb=reconnected,
            disconnected_cb=disconnected,
            error_cb=failed,
        )
    except nats.errors.Error as error:  # a server that is away is no error here: it is tried again by itself
        raise CannotStart(f"bus_address: {error}") from error
    except asyncio.CancelledError:
        client.cut()
        raise
    try:
        _leave_if_cancelled()
        yield bus
    finally:
        with suppress(RuntimeError, TimeoutError):  # nats-py writes what is pending, even to a closed connection
            async with asyncio.timeout(_CLOSE_SECONDS):
                await client.close()
        client.cut()
