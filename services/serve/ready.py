"""Whether a process answers."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
from grpc_health.v1 import health_pb2

from libs.rpc.client import open_channel

Ready = Callable[[], Awaitable[bool]]
_ANSWER_SECONDS = 1.0


def grpc_serving(address: str) -> Ready:
    """A gRPC server at `address` says that it is serving."""

    async def ready() -> bool:
        async with open_channel(address) as channel:
            return await says_serving(channel)

    return ready


async def says_serving(channel: grpc.aio.Channel) -> bool:
    """Whether the server at the other end answers and says that it is serving."""
    check: grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]
    check = channel.unary_unary(  # the types of grpc_health's stub lack its methods
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        answer = await check(health_pb2.HealthCheckRequest(), timeout=_ANSWER_SECONDS)
    except grpc.aio.AioRpcError:
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


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
