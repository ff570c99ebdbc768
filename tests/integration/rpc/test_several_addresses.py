"""A name with several addresses: calls go to all of them in turn, and to those that are left."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest
from prometheus_client import CollectorRegistry

from libs.rpc.client import call, open_channel
from libs.rpc.errors import TertuliaError
from libs.rpc.server import new_server, served
from tests.support.ports import until


class Counting:
    """A server that counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, request: bytes, context: object) -> bytes:
        del context
        self.asked += 1
        return request


@asynccontextmanager
async def serving(service: Counting) -> AsyncIterator[str]:
    server = new_server(CollectorRegistry())
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(service.answer)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("tertulia.Test", {"Ask": method})])
    async with served(server, "127.0.0.1:0", [], 0) as address:
        yield address


async def ask(channel: grpc.aio.Channel) -> None:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/tertulia.Test/Ask")
    await call(method, b"")


async def test_calls_go_to_every_address_in_turn_and_on_when_one_goes_away() -> None:
    one, two = Counting(), Counting()
    async with AsyncExitStack() as first:
        first_address = await first.enter_async_context(serving(one))
        async with (
            serving(two) as second_address,
            open_channel(f"ipv4:{first_address},{second_address}") as channel,
        ):

            async def both() -> bool:
                await ask(channel)
                return bool(one.asked and two.asked)

            await until(both, "both are connected")
            one.asked = two.asked = 0
            for _ in range(10):
                await ask(channel)
            assert (one.asked, two.asked) == (5, 5)
            await first.aclose()
            for _ in range(10):
                await ask(channel)
            assert two.asked == 15


async def test_where_nobody_is_left_the_caller_is_told_at_once() -> None:
    async with serving(Counting()) as address:
        pass
    async with open_channel(f"ipv4:{address}") as channel:
        with pytest.raises(TertuliaError):
            await ask(channel)
