"""Many users on one stream, as the web door has them: each with a token of their own, and nobody pays for another."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from tertulia.chat.v1 import error_pb2, presence_pb2, session_pb2
from tertulia_internal.gateway.v1 import carrier_pb2, carrier_pb2_grpc

from libs.rpc.errors import TertuliaError
from libs.rpc.status import from_rpc_error
from tests.integration.gateway.cast import Cast
from tests.integration.gateway.client import SECONDS, connection
from tests.integration.gateway.processes import running, user_token
from tests.support.carried import CarriedUsers
from tests.support.ports import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-carrying")]


class Carrier:
    """The door's end of one stream."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.users = CarriedUsers()
        self.error: TertuliaError | None = None
        self._call = carrier_pb2_grpc.CarrierServiceStub(channel).Carry()
        self._reading = asyncio.create_task(self._read())

    async def say(self, request: carrier_pb2.CarryRequest) -> None:
        await self._call.write(request)

    async def attach(self, handle: int, token: str) -> None:
        request = session_pb2.ListenRequest().SerializeToString()
        attach = carrier_pb2.Attach(handle=handle, authorization=f"Bearer {token}", request=request)
        await self.say(carrier_pb2.CarryRequest(attaches=[attach]))

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        await until(lambda: condition() or self._reading.done(), what, SECONDS)
        assert condition(), f"the carrier ended before: {what}; {self.error!r}"

    async def hears(self, handle: int, text: str) -> None:
        heard = self.users.heard[handle]
        await self.until(
            lambda: any(event.message.text == text for piece in heard.slices for event in piece.events),
            f"{handle} hears {text}",
        )

    async def caught_up(self, handle: int) -> None:
        notices = self.users.heard[handle].notices
        await self.until(lambda: any(notice.HasField("caught_up") for notice in notices), f"{handle} has caught up")

    async def until_over(self) -> TertuliaError | None:
        async with asyncio.timeout(SECONDS):
            await asyncio.wait([self._reading])
        return self.error

    async def close(self) -> None:
        self._call.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for response in self._call:
                self.users.take(response)
                taken = [carrier_pb2.Taken(handle=h, bytes=size) for h, size in self.users.untaken.items()]
                self.users.untaken.clear()
                if taken and not self.users.leaving:  # what is written on a stream that has ended would be its failure
                    await self._call.write(carrier_pb2.CarryRequest(taken=taken))
        except grpc.aio.AioRpcError as error:
            self.error = from_rpc_error(error)


@asynccontextmanager
async def carrier(channel: grpc.aio.Channel) -> AsyncIterator[Carrier]:
    opened = Carrier(channel)
    try:
        yield opened
    finally:
        await opened.close()


async def test_users_hear_what_is_said_and_a_bad_token_ends_one_of_them_only(
    cast: Cast, channel: grpc.aio.Channel
) -> None:
    room = await cast.group("room", "alice", "bob")
    async with carrier(channel) as door, cast.online("alice") as alice:
        await door.attach(1, user_token(cast.id("alice")))
        await door.attach(2, "nonsense")
        await door.attach(3, user_token(cast.id("bob")))
        await door.until(lambda: 2 in door.users.ended, "the bad token is refused")
        assert door.users.ended[2].failure.reason == error_pb2.ERROR_REASON_TOKEN_INVALID
        await door.caught_up(1)
        await door.caught_up(3)
        for text in ("one", "two", "three"):
            await alice.acked(await alice.send(room.channel_id, text))
            await door.hears(1, text)
            await door.hears(3, text)
        assert door.users.parts["audience_frame"] > 0


async def test_a_user_whose_request_breaks_a_rule_is_told_which(cast: Cast, channel: grpc.aio.Channel) -> None:
    await cast.group("room", "alice")
    async with carrier(channel) as door:
        token = f"Bearer {user_token(cast.id('alice'))}"
        for handle, request in ((1, b"\xff\xff"), (2, session_pb2.ListenRequest(watch_user_ids=["x"] * 1_001))):
            data = request if isinstance(request, bytes) else request.SerializeToString()
            attach = carrier_pb2.Attach(handle=handle, authorization=token, request=data)
            await door.say(carrier_pb2.CarryRequest(attaches=[attach]))
        await door.until(lambda: len(door.users.ended) == 2, "both are refused")
        assert door.users.ended[1].failure.reason == error_pb2.ERROR_REASON_FRAME_INVALID
        assert door.users.ended[2].failure.reason == error_pb2.ERROR_REASON_FIELD_INVALID
        await door.attach(3, user_token(cast.id("alice")))
        await door.caught_up(3)


async def test_who_is_detached_is_gone_for_the_others(cast: Cast, channel: grpc.aio.Channel) -> None:
    await cast.group("room", "alice", "bob")
    async with carrier(channel) as door:
        await door.attach(1, user_token(cast.id("alice")))
        await door.caught_up(1)
        await until(lambda: _is_online(cast, "alice", wanted=True), "alice is here")
        await door.say(carrier_pb2.CarryRequest(detached_handles=[1]))
        await until(lambda: _is_online(cast, "alice", wanted=False), "alice is gone")
        assert not door.users.ended


async def test_a_door_that_goes_takes_its_users_along(cast: Cast, channel: grpc.aio.Channel) -> None:
    await cast.group("room", "alice", "bob")
    async with carrier(channel) as door:
        await door.attach(1, user_token(cast.id("alice")))
        await until(lambda: _is_online(cast, "alice", wanted=True), "alice is here")
    await until(lambda: _is_online(cast, "alice", wanted=False), "alice is gone")


async def _is_online(cast: Cast, name: str, *, wanted: bool) -> bool:
    request = presence_pb2.GetPresenceRequest(user_ids=[cast.id(name)])
    response = await cast.presence.GetPresence(request, metadata=cast.as_user("bob"))
    return response.presences[0].online is wanted


@pytest.mark.parametrize("handle", [0, 1], ids=["no handle", "a handle twice"])
async def test_a_door_that_errs_is_told_so(cast: Cast, channel: grpc.aio.Channel, handle: int) -> None:
    async with carrier(channel) as door:
        await door.attach(1, user_token(cast.id("alice")))
        await door.attach(handle, user_token(cast.id("alice")))
        error = await door.until_over()
        assert error is not None
        assert error.reason == error_pb2.ERROR_REASON_FRAME_INVALID


async def test_a_gateway_that_stops_sends_everybody_away_and_the_stream_ends_well(tmp_path: Path) -> None:
    async with running(tmp_path) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        await cast.group("room", "alice", "bob")
        async with carrier(channel) as door:
            for handle, name in ((1, "alice"), (2, "bob")):
                await door.attach(handle, user_token(cast.id(name)))
                await door.caught_up(handle)
            assert await around.gateway.stop() == 0
            assert await door.until_over() is None
            for handle in (1, 2):
                goodbye = door.users.heard[handle].notices[-1].goodbye
                assert (goodbye.code, goodbye.reconnect) == (session_pb2.GOODBYE_CODE_DRAIN, True)
                assert not door.users.ended[handle].HasField("failure")
