"""HTTP: granian in this process, HTTP/1.1 and HTTP/2, with TLS where a certificate is given."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server
from starlette.types import ASGIApp

from libs.runtime.errors import CannotStart
from services.web.settings import WebSettings

log = structlog.get_logger()

_BACKLOG = 2_048
_MAX_HEADER_BYTES = 32 * 1024
_HEADER_MS = 10_000  # how long a request's head may take to arrive
_STREAMS_PER_CONNECTION = 200  # of HTTP/2; a browser opens a handful
_SEND_BUFFER_BYTES = 64 * 1024  # a stalled stream of HTTP/2 holds so much
_STOP_SECONDS = 1.0  # for connections to close once every request has ended
_LOGS = {
    "version": 1,
    "disable_existing_loggers": False,
    "loggers": {"_granian": {"handlers": [], "propagate": True}},
}


@asynccontextmanager
async def http_served(app: ASGIApp, settings: WebSettings) -> AsyncIterator[None]:
    """Serve while the body runs. The body sees to it that requests have ended before it does: what is open then is cut.

    Raises:
        CannotStart: the address cannot be listened on, or the certificate cannot be read.
    """
    host, port = _address(settings.listen)
    server = _server(app, settings, host, port)
    stopping = False

    async def serve() -> None:
        await server.serve()
        if not stopping:
            raise RuntimeError("the HTTP server has stopped by itself")

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve())
        log.info("serving", address=settings.listen, tls=settings.tls_certificate is not None)
        try:
            yield
        finally:
            stopping = True
            server.stop()  # type: ignore[no-untyped-call] # granian's types are not complete
            await asyncio.wait({serving}, timeout=_STOP_SECONDS)
            serving.cancel()
            log.info("stopped")


def _server(app: ASGIApp, settings: WebSettings, host: str, port: int) -> Server:
    try:
        return Server(
            app,
            host,
            port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=False,
            backlog=_BACKLOG,
            backpressure=2 * settings.max_requests,  # never reached: the guard refuses before, with an answer
            http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MS, max_buffer_size=_MAX_HEADER_BYTES),
            http2_settings=HTTP2Settings(
                max_concurrent_streams=_STREAMS_PER_CONNECTION,
                max_headers_size=_MAX_HEADER_BYTES,
                max_send_buffer_size=_SEND_BUFFER_BYTES,
                keep_alive_interval=30_000,
            ),
            log_dictconfig=_LOGS,
            log_level=LogLevels.error,  # below that it tells of every client that leaves early
            ssl_cert=settings.tls_certificate,
            ssl_key=settings.tls_key,
        )
    except OSError as error:  # ssl.SSLError is one
        raise CannotStart(f"cannot use the certificate {settings.tls_certificate}: {error}") from error


def _address(listen: str) -> tuple[str, int]:
    """An address that is free. granian would share the port with another process in silence."""
    host, _, port = listen.rpartition(":")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a dead server do not matter
            probe.bind(address)
            return str(address[0]), int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot listen on {listen}: is another process there?") from error
