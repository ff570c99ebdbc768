"""What an orchestrator may ask a process: gRPC health on an address of its own, in the open, from the first moment on.

Three questions, each the name of a service in `grpc.health.v1.Health/Check`, and what Kubernetes makes of a no:

    startup    has it everything that it needs to begin?       no: nothing else is asked yet
    readiness  may it be given work? ("" asks the same)        no: nobody is sent here
    liveness   does its event loop turn?                       no: it is killed

None of them looks at another process. Whoever were killed, or left alone, because Cassandra is away would be so with all its
neighbours at once, and none of that brings Cassandra back: what cannot be done is answered UNAVAILABLE, call by call.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from libs.runtime.errors import CannotStart


class Life(Protocol):
    """How far a process is."""

    @property
    def started(self) -> bool:
        """It has what it needs, and serves."""

    @property
    def stopping(self) -> bool:
        """It was told to stop."""


class _Answers(health_pb2_grpc.HealthServicer):
    def __init__(self, life: Life) -> None:
        self._life = life

    async def Check(
        self,
        request: health_pb2.HealthCheckRequest,
        context: grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse],
    ) -> health_pb2.HealthCheckResponse:
        match request.service:
            case "liveness":
                yes = True  # whoever reads this has a loop that turns
            case "startup":
                yes = self._life.started
            case "readiness" | "":
                yes = self._life.started and not self._life.stopping
            case _:
                await _unknown(context)
        serving = health_pb2.HealthCheckResponse.SERVING
        return health_pb2.HealthCheckResponse(status=serving if yes else health_pb2.HealthCheckResponse.NOT_SERVING)


async def _unknown(
    context: grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse],
) -> NoReturn:
    await context.abort(grpc.StatusCode.NOT_FOUND, "ask for startup, readiness or liveness")


@asynccontextmanager
async def probes_served(listen: str, life: Life) -> AsyncIterator[None]:
    """Answer at `host:port` or `unix:/path` while the body runs; with `listen` empty, do nothing.

    Raises:
        CannotStart: the address cannot be listened on.
    """
    if not listen:
        yield
        return
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(_Answers(life), server)
    try:
        server.add_insecure_port(listen)
    except RuntimeError as error:
        raise CannotStart(f"cannot answer probes on {listen}: is another process there?") from error
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
