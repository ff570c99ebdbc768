"""Serves a process's metrics to Prometheus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from libs.runtime.errors import CannotStart

_STOP_SECONDS = 5.0  # for a scrape that is under way


def new_registry() -> CollectorRegistry:
    """A registry for one process: with memory, CPU, file descriptors and the garbage collector's figures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


@asynccontextmanager
async def metrics_served(listen: str, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Serve `registry` at `http://{listen}/metrics` while the body runs; with `listen` empty, do nothing.

    Raises:
        CannotStart: the address cannot be listened on.
    """
    if not listen:
        yield
        return
    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry)
    except (OSError, OverflowError) as error:
        raise CannotStart(f"cannot serve metrics on {listen}: {error}") from error
    try:
        yield
    finally:
        server.shutdown()
        thread.join(_STOP_SECONDS)
        server.server_close()
