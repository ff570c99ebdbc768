"""Everybody who listens on one stream to the gateway: what is whose, who is slow, and what an end means."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from tertulia.chat.v1 import error_pb2, session_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from libs.rpc.client import open_channel
from libs.rpc.errors import ResourceExhausted, Unauthenticated, Unavailable
from libs.rpc.status import to_failure
from services.web.carrier import Carried, Carriers
from services.web.streams import TOO_SLOW, Stream
from tests.support.ports import until

LIMIT = 1_000
MAX_REQUEST = 4_096
SERVICE = carrier_pb2.DESCRIPTOR.services_by_name["CarrierService"].full_name


class FakeGateway:
    """Hears what doors say, and says what a test wants. One door at a time."""

    def __init__(self) -> None:
        self.heard = carrier_pb2.CarryRequest()
        self.streams = 0
        self.left = 0
        """How many doors have said that they say no more."""
        self._say: asyncio.Queue[carrier_pb2.CarryResponse | None] = asyncio.Queue()

    def say(self, *parts: carrier_pb2.Part) -> None:
        self._say.put_nowait(carrier_pb2.CarryResponse(parts=parts))

    def user(self, handle: int, text: str) -> None:
        self.say(carrier_pb2.Part(user_frame=carrier_pb2.UserFrame(handle=handle, frame=frame(text))))

    def audience(self, number: int, text: str, *excepted: int) -> None:
        part = carrier_pb2.AudienceFrame(audience=number, frame=frame(text), except_handles=excepted)
        self.say(carrier_pb2.Part(audience_frame=part))

    def change(self, number: int, joined: tuple[int, ...] = (), left: tuple[int, ...] = ()) -> None:
        change = carrier_pb2.AudienceChange(audience=number, joined_handles=joined, left_handles=left)
        self.say(carrier_pb2.Part(audience_change=change))

    def fail(self) -> None:
        self._say.put_nowait(None)

    async def carry(
        self, requests: AsyncIterator[carrier_pb2.CarryRequest], context: "grpc.aio.ServicerContext[object, object]"
    ) -> AsyncIterator[carrier_pb2.CarryResponse]:
        self.streams += 1
        hearing = asyncio.create_task(self._hear(requests))
        try:
            while (response := await self._say.get()) is not None:
                yield response
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        finally:
            hearing.cancel()

    async def _hear(self, requests: AsyncIterator[carrier_pb2.CarryRequest]) -> None:
        async for request in requests:
            self.heard.MergeFrom(request)
        self.left += 1


class Listener:
    """A client's stream, and what was taken from it."""

    def __init__(self, carried: Carried) -> None:
        self.stream = Stream(LIMIT, asyncio.get_running_loop().time)
        self.carried = carried
        carried.begin(self.stream)

    async def next(self) -> list[str]:
        """The texts that came together next."""
        async with asyncio.timeout(10):
            while (data := await self.stream.take()) == b"":
                pass
        assert data is not None, "the stream has ended"
        self.carried.taken()
        return texts(data)

    async def over(self) -> Exception | None:
        """How the stream ends."""
        async with asyncio.timeout(10):
            while await self.stream.take() is not None:
                pass
        return self.stream.error


def frame(text: str) -> bytes:
    return session_pb2.ServerFrame(failures=[session_pb2.Failure(message=text)]).SerializeToString()


def texts(data: bytes) -> list[str]:
    return [failure.message for failure in session_pb2.ServerFrame.FromString(data).failures]


class Door:
    """Carriers to a fake gateway."""

    def __init__(self, gateway: FakeGateway, carriers: Carriers) -> None:
        self.gateway = gateway
        self.carriers = carriers

    async def listen(self, token: str) -> Listener:
        """Once the gateway has heard of it."""
        before = len(self.gateway.heard.attaches)
        listener = Listener(self.carriers.listen(b"hello", (("authorization", token),)))
        await until(lambda: len(self.gateway.heard.attaches) > before, "the gateway hears of it")
        return listener


@asynccontextmanager
async def opened(folder: Path, join_seconds: float = 300) -> AsyncIterator[Door]:
    gateway = FakeGateway()
    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[carrier_pb2.CarryRequest, carrier_pb2.CarryResponse] = (
        grpc.stream_stream_rpc_method_handler(
            gateway.carry, carrier_pb2.CarryRequest.FromString, lambda response: response.SerializeToString()
        )
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Carry": handler})])
    address = f"unix:{folder}/gateway.sock"
    server.add_insecure_port(address)
    await server.start()
    async with open_channel(address) as channel:
        await channel.channel_ready()
        carriers = Carriers(channel, MAX_REQUEST, join_seconds)
        running = asyncio.create_task(carriers.run())
        try:
            yield Door(gateway, carriers)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await server.stop(None)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(tmp_path) as door:
        yield door


async def test_each_user_is_attached_with_their_own_token_and_gets_what_is_theirs(door: Door) -> None:
    ann, ben = [await door.listen(token) for token in ("Bearer ann", "Bearer ben")]
    assert [attach.authorization for attach in door.gateway.heard.attaches] == ["Bearer ann", "Bearer ben"]
    assert {attach.request for attach in door.gateway.heard.attaches} == {b"hello"}
    door.gateway.user(1, "for ann")
    door.gateway.user(2, "for ben")
    assert await ann.next() == ["for ann"]
    assert await ben.next() == ["for ben"]
    assert door.gateway.streams == 1


async def test_what_is_for_an_audience_goes_to_those_who_are_in_it(door: Door) -> None:
    ann, ben, cay = [await door.listen(f"Bearer {name}") for name in ("ann", "ben", "cay")]
    door.gateway.change(7, joined=(1, 2))
    door.gateway.audience(7, "both")
    door.gateway.audience(7, "not ann", 1)
    door.gateway.change(7, joined=(3,), left=(1,))
    door.gateway.audience(7, "ben and cay")
    heard: list[str] = []
    while "ben and cay" not in heard:
        heard += await ben.next()
    assert heard == ["both", "not ann", "ben and cay"]
    assert await ann.next() == ["both"]
    assert await cay.next() == ["ben and cay"]


async def test_what_was_taken_is_told(door: Door) -> None:
    ann = await door.listen("Bearer ann")
    door.gateway.user(1, "one")
    await ann.next()
    await until(lambda: bool(door.gateway.heard.taken), "the gateway hears of it")
    [taken] = door.gateway.heard.taken
    assert (taken.handle, taken.bytes) == (1, len(frame("one")))


async def test_who_is_slow_is_told_of_and_loses_nothing(door: Door) -> None:
    ann = await door.listen("Bearer ann")
    door.gateway.change(7, joined=(1,))
    for number in range(20):
        door.gateway.audience(7, f"{number} {'x' * 100}")
    await until(lambda: ann.stream.waiting_bytes > 20 * 100, "everything waits")
    await until(lambda: list(door.gateway.heard.slow_handles) == [1], "the gateway is told, once")
    assert len(await ann.next()) == 20


async def test_who_is_hopelessly_behind_is_sent_away_to_come_back(door: Door) -> None:
    ann = await door.listen("Bearer ann")
    door.gateway.change(7, joined=(1,))
    for _ in range(6):
        door.gateway.audience(7, "x" * 900_000)
    await until(lambda: ann.stream.waiting_bytes > 4 * 1024 * 1024, "more than is kept")
    data = await ann.stream.take()
    assert data is not None
    assert data.endswith(TOO_SLOW)
    assert await ann.over() is None


async def test_a_refusal_is_that_of_one_stream(door: Door) -> None:
    ann, ben = [await door.listen(f"Bearer {name}") for name in ("ann", "ben")]
    refusal = Unauthenticated("who?", error_pb2.ERROR_REASON_TOKEN_INVALID)
    ended = carrier_pb2.Ended(handle=1, failure=to_failure(0, refusal))
    door.gateway.say(carrier_pb2.Part(ended=ended))
    door.gateway.user(2, "go on")
    error = await ann.over()
    assert isinstance(error, Unauthenticated)
    assert error.reason == error_pb2.ERROR_REASON_TOKEN_INVALID
    assert await ben.next() == ["go on"]


async def test_who_leaves_is_detached_unless_the_gateway_ended_it(door: Door) -> None:
    ann, ben = [await door.listen(f"Bearer {name}") for name in ("ann", "ben")]
    door.gateway.say(carrier_pb2.Part(ended=carrier_pb2.Ended(handle=1)))
    assert await ann.over() is None
    ann.carried.close()
    ben.carried.close()
    await until(lambda: list(door.gateway.heard.detached_handles) == [2], "only ben is detached")


async def test_a_gateway_that_goes_ends_everybody_and_whoever_comes_next_gets_a_new_stream(door: Door) -> None:
    ann = await door.listen("Bearer ann")
    door.gateway.fail()
    assert isinstance(await ann.over(), Unavailable)
    ben = await door.listen("Bearer ben")
    door.gateway.user(1, "welcome")
    assert await ben.next() == ["welcome"]
    assert door.gateway.streams == 2


async def test_a_gateway_that_goes_while_it_is_spoken_to_is_away_and_has_not_failed(door: Door) -> None:
    ann = await door.listen("Bearer ann")
    over = asyncio.create_task(ann.over())
    door.gateway.fail()
    while not over.done():
        door.carriers.listen(b"hello", ()).close()
        await asyncio.sleep(0)
    assert isinstance(over.result(), Unavailable)


async def test_a_carrier_takes_people_for_a_while_and_ends_with_the_last_of_them(tmp_path: Path) -> None:
    async with opened(tmp_path, join_seconds=0) as door:
        ann, ben = [await door.listen(f"Bearer {name}") for name in ("ann", "ben")]
        assert door.gateway.streams == 2
        assert door.gateway.left == 0
        ann.carried.close()
        await until(lambda: door.gateway.left == 1, "the first carrier has nobody left")
        ben.carried.close()


async def test_a_request_that_the_gateway_would_not_take_is_refused_here(door: Door) -> None:
    with pytest.raises(ResourceExhausted):
        door.carriers.listen(b"x" * MAX_REQUEST, ())
