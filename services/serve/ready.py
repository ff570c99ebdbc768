"""Whether a process answers. `python -m services.serve.ready ADDRESS` asks a service, for a container's health check; the web
door is asked at `http://127.0.0.1:PORT`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from libs.rpc.client import open_channel
from libs.rpc.health import says_serving

Ready = Callable[[], Awaitable[bool]]
_ANSWER_SECONDS = 1.0
_HTTP = "http://127.0.0.1"


def grpc_serving(address: str) -> Ready:
    """A gRPC server at `address` says that it is serving."""

    async def ready() -> bool:
        async with open_channel(address) as channel:
            return await says_serving(channel)

    return ready


def http_ready(port: int) -> Ready:
    """An HTTP server at a port of loopback says that it is ready."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
                status = await reader.readline()
        except (OSError, TimeoutError):
            return False
        writer.close()
        return b" 200 " in status

    return ready


def nats_serving(port: int) -> Ready:
    """A NATS server at a port of loopback greets."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                greeting = await reader.readline()
        except (OSError, TimeoutError):
            return False
        writer.close()
        return greeting.startswith(b"INFO ")

    return ready


def ready_at(address: str) -> Ready:
    """What a health check asks: a gRPC server, or the web door at `http://127.0.0.1:PORT`."""
    host, _, port = address.rpartition(":")
    return http_ready(int(port)) if host == _HTTP else grpc_serving(address)


async def _answer(address: str) -> int:
    return 0 if await ready_at(address)() else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(_answer(sys.argv[1])))
