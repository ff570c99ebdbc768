"""A gRPC server as every service runs it: health, reflection, clean errors, correlation ids, metrics, a drain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import correlation_id, correlation_of
from libs.rpc.callers import CallerCheck
from libs.rpc.certificates import Certificates, Identity
from libs.rpc.client import MAX_MESSAGE_BYTES
from libs.rpc.errors import InvalidArgument, TertuliaError
from libs.rpc.faults import CallFigures, clean
from libs.rpc.status import to_status
from libs.runtime.errors import CannotStart

log = structlog.get_logger()

_OWN_PACKAGES = ("/tertulia.", "/tertulia_internal.")

_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 1_000),  # of one connection
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.absolute_max_metadata_size", 16 * 1024),  # a soft limit below the hard one rejects at random
    ("grpc.so_reuseport", 0),  # two processes on one port are a mistake, not a balancer
    # a client connects again, and so finds servers that are new; calls that are open end in their own time
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)

Handler = Callable[[object, grpc.aio.ServicerContext[object, object]], Awaitable[object]]
StreamHandler = Callable[[object, grpc.aio.ServicerContext[object, object]], AsyncIterator[object]]


class CleanErrors(grpc.aio.ServerInterceptor):
    """Makes statuses of our errors and hides every other exception behind a correlation id (I10); counts and times calls.
    Refuses services that may not call the method.

    Of answers in parts only the errors are cleaned. Between services there are no other streams, and none is served.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._figures = CallFigures(registry)
        self._callers = CallerCheck(registry)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OWN_PACKAGES):
            return handler  # health and reflection
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, cast("Handler", handler.unary_unary), handler.request_deserializer),
                None,  # parsed by us: what cannot be parsed gets a clean error, too
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._parts(method, cast("StreamHandler", handler.unary_stream)),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return None  # streams of requests, of which there are none: nobody would have looked at who calls

    def _unary(self, method: str, inner: Handler, parse: Callable[[bytes], object] | None) -> Handler:
        async def unary(data: object, context: grpc.aio.ServicerContext[object, object]) -> object:
            token = correlation_id.set(correlation_of(context.invocation_metadata() or ()))
            try:
                with self._figures.observed(method):
                    self._callers.check(method, _names_of(context))
                    response = await inner(_parsed(parse, cast("bytes", data)), context)
            except Exception as error:  # noqa: BLE001 - the one place where faults are turned into statuses
                await context.abort_with_status(rpc_status.to_status(to_status(_clean(error))))
            else:
                return response
            finally:
                correlation_id.reset(token)

        return unary

    def _parts(self, method: str, inner: StreamHandler) -> StreamHandler:
        async def parts(request: object, context: grpc.aio.ServicerContext[object, object]) -> AsyncIterator[object]:
            correlation_id.set(correlation_of(context.invocation_metadata() or ()))
            try:
                self._callers.check(method, _names_of(context))
                async for part in inner(request, context):
                    yield part
            except Exception as error:  # noqa: BLE001 - as above
                await context.abort_with_status(rpc_status.to_status(to_status(_clean(error))))

        return parts


def _names_of(context: grpc.aio.ServicerContext[object, object]) -> frozenset[str] | None:
    """The DNS names in the caller's certificate, if it was looked at in a handshake of this connection. None: there is no TLS."""
    about = context.auth_context()
    if about.get("transport_security_type") == [b"insecure"]:
        return None
    # gRPC takes TLS 1.2, too, and takes sessions up again days later: without a look at who is believed now, or whether the certificate
    # has ended
    if about.get("ssl_tls_version") != [b"TLSv1.3"] or about.get("ssl_session_reused") != [b"false"]:
        return frozenset()
    return frozenset(name.decode(errors="replace") for name in about.get("peer_dns", ()))


def _parsed(parse: Callable[[bytes], object] | None, data: bytes) -> object:
    try:
        return data if parse is None else parse(data)
    except DecodeError:
        raise InvalidArgument("the request cannot be parsed", error_pb2.ERROR_REASON_FRAME_INVALID) from None


def _clean(error: Exception) -> TertuliaError:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    return clean(error)


def new_server(registry: CollectorRegistry) -> grpc.aio.Server:
    """A server with our limits and clean errors; add services to it, then run it by `served`."""
    return grpc.aio.server(interceptors=[CleanErrors(registry)], options=_OPTIONS)


@asynccontextmanager
async def served(
    server: grpc.aio.Server,
    listen: str,
    services: Sequence[str],
    drain_seconds: float,
    certificates: Certificates | None = None,
) -> AsyncIterator[str]:
    """Serve while the body runs, with health and reflection for the named services; then drain.

    Yields the address, with the real port where `listen` said port 0. Draining: health says NOT_SERVING, no new call is
    taken, open calls get `drain_seconds`, then are cut.

    With `certificates` only those are listened to who have one of the same authority.

    Raises:
        CannotStart: the address cannot be listened on.
    """
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection([*services, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    try:
        if certificates is None:
            port = server.add_insecure_port(listen)
        else:
            port = server.add_secure_port(listen, _credentials(certificates))
    except RuntimeError as error:
        raise CannotStart(f"cannot listen on {listen}: is another process there?") from error
    await server.start()
    for name in ("", *services):
        await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    address = listen if listen.startswith("unix:") else f"{listen.rpartition(':')[0]}:{port}"
    log.info("serving", address=address)
    try:
        yield address
    finally:
        await asyncio.shield(_drain(server, health_servicer, drain_seconds))


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    used = certificates.current()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Called, in a thread of gRPC's, at each handshake."""
        nonlocal used
        current = certificates.current()
        if current is used:
            return None
        used = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(used),
        renewed,  # type: ignore[arg-type] # its types do not know that None is for "as before"
        require_client_authentication=True,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], identity.authority)


async def _drain(server: grpc.aio.Server, health_servicer: health.aio.HealthServicer, seconds: float) -> None:
    await health_servicer.enter_graceful_shutdown()
    await server.stop(seconds)
    log.info("stopped")
