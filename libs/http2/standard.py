"""What every gRPC server has: health and reflection, by the libraries that grpcio's servers have them from."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2
from tertulia.chat.v1 import error_pb2

from libs.http2.call import Call
from libs.http2.server import Handler
from libs.rpc.errors import NotFound


class Health:
    """Says SERVING for the server and its services until `stop`."""

    def __init__(self) -> None:
        self._servicer = health.aio.HealthServicer()

    async def serve(self, services: Sequence[str]) -> None:
        for name in ("", *services):
            await self._servicer.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """NOT_SERVING, from now on."""
        await self._servicer.enter_graceful_shutdown()

    def handlers(self) -> Mapping[str, Handler]:
        return {f"/{health.SERVICE_NAME}/Check": self._check, f"/{health.SERVICE_NAME}/Watch": self._watch}

    async def _check(self, call: Call) -> None:
        request = health_pb2.HealthCheckRequest.FromString(await call.read() or b"")
        response = await self._servicer.Check(request, _Context(call))  # type: ignore[arg-type]
        await call.write(response.SerializeToString())

    async def _watch(self, call: Call) -> None:
        request = health_pb2.HealthCheckRequest.FromString(await call.read() or b"")
        await self._servicer.Watch(request, _Context(call))  # type: ignore[arg-type]


class _Context:
    """What the health servicer uses of a call."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def write(self, response: health_pb2.HealthCheckResponse) -> None:
        await self._call.write(response.SerializeToString())

    async def abort(self, code: grpc.StatusCode) -> NoReturn:  # noqa: ARG002 - it is only ever NOT_FOUND
        raise NotFound("there is no such service", error_pb2.ERROR_REASON_METHOD_UNKNOWN)


def reflection_handlers(services: Sequence[str]) -> Mapping[str, Handler]:
    """Tells clients such as grpcurl of these services."""
    servicer = reflection.aio.ReflectionServicer([*services, health.SERVICE_NAME, reflection.SERVICE_NAME])

    async def info(call: Call) -> None:
        async for response in servicer.ServerReflectionInfo(_requests(call), None):  # type: ignore[attr-defined] # its types are wrong
            await call.write(response.SerializeToString())

    return {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": info}


async def _requests(call: Call) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    while (data := await call.read()) is not None:
        yield reflection_pb2.ServerReflectionRequest.FromString(data)
