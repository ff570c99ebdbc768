"""The gateway's public services on its HTTP/2 server: bytes in and bytes out."""

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import session_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from libs.http2 import Call, Handler, Limits, Server
from libs.http2.standard import Health, reflection_handlers
from libs.rpc.certificates import Certificates
from libs.rpc.faults import CallFigures
from libs.rpc.transport import Transport
from services.gateway.carrier import Carrier
from services.gateway.identity import Identity
from services.gateway.listening import Listening
from services.gateway.methods import OWN, PASSED_ON, Method, Methods, methods_of, name_of
from services.gateway.rate_limits import RateLimits
from services.gateway.scopes import require_scope
from services.gateway.sessions import Sessions
from services.gateway.settings import GatewaySettings
from services.gateway.stats import Stats
from services.gateway.tokens import Tokens, acting_as

SESSION_SERVICE = session_pb2.DESCRIPTOR.services_by_name["SessionService"]
CARRIER_SERVICE = carrier_pb2.DESCRIPTOR.services_by_name["CarrierService"]
SERVICE_NAMES: Sequence[str] = [service.full_name for service in (SESSION_SERVICE, *OWN, *PASSED_ON)]
_ACTING_USER_KEY = "tertulia-user"


@asynccontextmanager
async def edge_served(
    settings: GatewaySettings,
    sessions: Sessions,
    tokens: Tokens,
    limits: RateLimits,
    methods: Methods,
    registry: CollectorRegistry,
    stats: Stats,
) -> AsyncIterator[str]:
    """Serve all public services, health and reflection while the body runs.

    Then say that nobody else should come, say goodbye to the sessions, and drain what is left; see `Server.served`.

    Raises:
        CannotStart: the address cannot be listened on, or the certificate cannot be used.
    """
    health = Health()
    handlers = {
        **health.handlers(),
        **reflection_handlers(SERVICE_NAMES),
        **_session_handlers(sessions, tokens, settings, stats),
        **_unary_handlers(tokens, limits, methods, CallFigures(registry)),
    }
    connection_limits = Limits(
        max_message_bytes=settings.max_request_bytes,
        max_streams=settings.max_streams,
        max_connections=settings.max_connections,
        max_age_seconds=settings.connection_seconds,
        max_connections_per_address=settings.max_connections_per_address,
        max_unauthenticated=settings.max_unauthenticated_connections,
        unauthenticated_seconds=settings.unauthenticated_seconds,
    )
    server = Server(handlers, connection_limits, registry)
    async with server.served(settings.listen, settings.drain_seconds, _tls(settings)) as address:
        await health.serve(SERVICE_NAMES)
        try:
            yield address
        finally:
            await health.stop()
            await sessions.drain(settings.drain_seconds)


def _tls(settings: GatewaySettings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificates(settings.tls_certificate, settings.tls_key).listening()


async def _authenticated(call: Call, tokens: Tokens) -> Identity:
    identity = await tokens.authenticate(call.metadata)
    call.authenticated()
    return identity


def _session_handlers(
    sessions: Sessions, tokens: Tokens, settings: GatewaySettings, stats: Stats
) -> Mapping[str, Handler]:
    async def serve(transport: Transport, call: Call) -> None:
        await sessions.serve(transport, await _authenticated(call, tokens))

    async def open_session(call: Call) -> None:
        await serve(call, call)

    async def listen(call: Call) -> None:
        await serve(Listening(call), call)

    async def carry(call: Call) -> None:
        await Carrier(call, sessions, tokens, settings, stats).run()

    return {
        f"/{SESSION_SERVICE.full_name}/Open": open_session,
        f"/{SESSION_SERVICE.full_name}/Listen": listen,
        f"/{CARRIER_SERVICE.full_name}/Carry": carry,
    }


def _unary_handlers(
    tokens: Tokens, limits: RateLimits, methods: Methods, figures: CallFigures
) -> Mapping[str, Handler]:
    return {
        path: _unary(path, name_of(method), methods[name_of(method)], tokens, limits, figures)
        for method in methods_of((*OWN, *PASSED_ON))
        if name_of(method) in methods
        for path in [f"/{method.containing_service.full_name}/{method.name}"]
    }


def _unary(path: str, name: str, method: Method, tokens: Tokens, limits: RateLimits, figures: CallFigures) -> Handler:
    async def unary(call: Call) -> None:
        with figures.observed(path):
            identity = await _authenticated(call, tokens)
            limits.count_call(identity.caller)
            require_scope(identity, name)
            metadata = call.metadata
            user_id = next((value for key, value in metadata if key == _ACTING_USER_KEY and isinstance(value, str)), "")
            response = await method(acting_as(identity.caller, user_id), await call.only_message())
        await call.answer(response)

    return unary
