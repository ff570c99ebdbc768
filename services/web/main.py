"""The composition root of the web door."""

import asyncio
from pathlib import Path

import structlog
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp
from tertulia.errors import SecretInvalid
from tertulia.tokens import Secret

from libs.rpc.health import says_serving
from libs.runtime.errors import CannotStart
from libs.runtime.memory import settle_memory
from libs.runtime.metrics import metrics_served, new_registry
from libs.runtime.process import running
from services.web.api import Api
from services.web.app import Application, with_cors
from services.web.carrier import Carriers
from services.web.codecs import JsonCodec
from services.web.endpoints import ConnectApi
from services.web.event_json import FrameJson
from services.web.guard import Guard, Limits
from services.web.headers import common_headers, page_policy, with_headers
from services.web.lines import Lines
from services.web.methods import public_methods
from services.web.pages import BUILT_CLIENT, Pages
from services.web.plain import plain_paths
from services.web.server import http_served
from services.web.settings import WebSettings, words
from services.web.stats import Calls, Stats, StatsCollector
from services.web.streams import Streams
from services.web.upstream import Gateway

log = structlog.get_logger()


async def run(settings: WebSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set; then say goodbye to every stream, answer what is open, and end.

    Raises:
        CannotStart: an address is taken, or a certificate or the development secret is no good.
    """
    registry = new_registry()
    stats = Stats()
    registry.register(StatsCollector(stats))
    async with Gateway(
        settings.gateway, settings.max_requests, settings.request_seconds, _roots(settings.gateway_ca)
    ) as gateway:
        streams = Streams(settings.queue_bytes, settings.heartbeat_seconds, stats)
        carriers = Carriers(gateway.carrier, settings.max_request_bytes)
        api = Api(gateway, carriers, streams, Calls(registry))
        methods = public_methods()
        codec = JsonCodec(FrameJson())
        secret = _secret(settings.development_secret.get_secret_value())

        async def ready() -> bool:
            return not streams.draining and await says_serving(gateway.channel)

        application = Application(
            {method.path: method for method in methods},
            ConnectApi(api, methods, codec, settings.max_request_bytes),
            Lines(api, codec),
            plain_paths(ready, {"imageHosts": words(settings.image_hosts), "development": secret is not None}, secret),
            Pages(settings.client_dir or BUILT_CLIENT, page_policy(settings)),
        )
        limits = Limits(
            settings.max_requests,
            settings.max_request_bytes,
            settings.request_seconds,
            settings.stall_seconds,
            endless={method.path for method in methods if method.client_streaming},
        )
        guard = Guard(application, limits, stats)
        async with (
            metrics_served(settings.metrics_listen, registry),
            running(streams.watch_over(), guard.watch_over(), carriers.run()),
            http_served(_around(guard, settings), settings),
        ):
            settle_memory()
            await stop.wait()
            streams.say_goodbye(min(settings.goodbye_seconds, settings.drain_seconds))
            cut = await guard.emptied(settings.drain_seconds)
            if cut:
                log.warning("requests_cut", requests=cut)


def _around(guard: Guard, settings: WebSettings) -> ASGIApp:
    app = with_cors(guard, words(settings.allowed_origins))
    hosts = words(settings.allowed_hosts)
    return with_headers(TrustedHostMiddleware(app, hosts) if hosts else app, common_headers(settings))


def _roots(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path else b""
    except OSError as error:
        raise CannotStart(f"gateway_ca: {error}") from error


def _secret(text: str) -> Secret | None:
    try:
        return Secret.parse(text) if text else None
    except SecretInvalid as error:
        raise CannotStart(f"development_secret: {error}") from error
