"""A connection on which nothing is said for long stays: our servers permit the pings that our clients send."""

import asyncio
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from libs.rpc.server import new_server, served

_PING_MS = 5_200
"""Oftener than any client of ours pings, and just above what servers permit."""

_IDLE_SECONDS = 24.0
"""Four pings: a server that does not permit them ends the connection at the third (gRPC forgives two)."""


async def test_a_stream_outlives_many_pings_without_data(tmp_path: Path) -> None:
    options = [
        ("grpc.keepalive_time_ms", _PING_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    address = f"unix:{tmp_path}/server"
    async with (
        served(new_server(CollectorRegistry()), address, [], 0),
        grpc.aio.insecure_channel(address, options=options) as channel,
    ):
        stream = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())  # type: ignore[attr-defined] # its types know Check only
        assert (await stream.read()).status == health_pb2.HealthCheckResponse.SERVING
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                ended = await stream.read()
        except TimeoutError:
            return  # as it should: nothing came, and nothing ended
        raise AssertionError(f"the stream ended or spoke: {ended}")
