"""Unary calls to the gateway: how many, and whose."""

import asyncio
from pathlib import Path

import grpc
import pytest
from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import DeadlineExceeded, ResourceExhausted
from services.web.upstream import Gateway
from tests.support.ports import until

PATH = "/test.Service/Ask"
ANN, BEN = (("authorization", "Bearer ann"),), (("authorization", "Bearer ben"),)
PER_CLIENT = 500


class FakeGateway:
    """Answers when a test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()

    async def ask(self, request: bytes, _context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        self.asked += 1
        if request != b"now":
            await self.answers.wait()
        return request


async def test_calls_that_a_client_does_not_wait_for_are_held_against_that_client_alone(tmp_path: Path) -> None:
    fake = FakeGateway()
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(fake.ask)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Service", {"Ask": handler})])
    address = f"unix:{tmp_path}/gateway.sock"
    server.add_insecure_port(address)
    await server.start()
    try:
        async with Gateway(address, streams=1, seconds=30) as gateway:
            calls = [asyncio.create_task(gateway.call(PATH, b"later", ANN, None)) for _ in range(PER_CLIENT - 1)]
            with pytest.raises(DeadlineExceeded):
                await gateway.call(PATH, b"later", ANN, 0.01)
            await until(lambda: fake.asked == PER_CLIENT, "the gateway has all of them")
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            with pytest.raises(ResourceExhausted) as refused:
                await gateway.call(PATH, b"now", ANN, None)
            assert refused.value.reason == error_pb2.ERROR_REASON_OVERLOADED
            assert await gateway.call(PATH, b"now", BEN, None) == b"now"
            fake.answers.set()

            async def served() -> bool:
                try:
                    return await gateway.call(PATH, b"now", ANN, None) == b"now"
                except ResourceExhausted:
                    return False

            await until(served, "what was aborted has been answered")
    finally:
        await server.stop(None)
