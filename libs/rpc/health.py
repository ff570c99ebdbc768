"""Asking a gRPC server how it is."""

import grpc
from grpc_health.v1 import health_pb2

_ANSWER_SECONDS = 1.0


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
