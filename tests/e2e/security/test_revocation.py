"""Tokens that the back end takes back are good for nothing from then on, and who is connected with one is cut off."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import grpc
import pytest
from tertulia.chat.v1 import channel_pb2, session_pb2, session_pb2_grpc, user_pb2

from tests.e2e.security.scene import Scene
from tests.integration.web.door import Http
from tests.support.api import Metadata, Refusal, bearer, refusal_of
from tests.support.stack import ServeStack, Stack

pytestmark = pytest.mark.asyncio(loop_scope="package")

WITHIN_SECONDS = 5.0
"""As UserService.RevokeTokens promises."""
REVOKED = ("UNAUTHENTICATED", "TOKEN_REVOKED")
_STREAM_SECONDS = 30.0

Stream: TypeAlias = "grpc.aio.StreamStreamCall[session_pb2.ClientFrame, session_pb2.ServerFrame]"


async def revoke(scene: Scene, user_id: str, *, session_id: str = "", by: Metadata = ()) -> None:
    request = user_pb2.RevokeTokensRequest(user_id=user_id, session_id=session_id)
    await scene.api.call(by or scene.as_(""), "UserService/RevokeTokens", request, user_pb2.RevokeTokensResponse)


@asynccontextmanager
async def session(scene: Scene, metadata: Metadata) -> AsyncIterator[Stream]:
    """One that was welcomed."""
    stub = session_pb2_grpc.SessionServiceStub(scene.api.connection)
    stream = stub.Open(metadata=grpc.aio.Metadata(*metadata), timeout=_STREAM_SECONDS)
    try:
        await stream.write(session_pb2.ClientFrame(hello=session_pb2.Hello()))
        frame = await stream.read()
        assert isinstance(frame, session_pb2.ServerFrame)
        yield stream
    finally:
        stream.cancel()


async def end_of(stream: Stream) -> Refusal:
    """The status with which a session ends."""
    try:
        while isinstance(await stream.read(), session_pb2.ServerFrame):
            pass
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError("the session ended well")


async def code_and_reason(scene: Scene, metadata: Metadata) -> tuple[str, str] | None:
    """With what a call is refused; None: it is not."""
    answer = await scene.api.attempt(metadata, "ChannelService/ListMyChannels", channel_pb2.ListMyChannelsRequest())
    return (answer.code, answer.reason) if isinstance(answer, Refusal) else None


def somebody() -> str:
    return f"somebody-{secrets.token_hex(4)}"


async def test_sessions_end_and_calls_are_refused_until_there_is_a_new_token(scene: Scene) -> None:
    user_id = somebody()
    old, other = scene.api.user(user_id), scene.as_("bob")
    async with session(scene, old) as theirs, session(scene, old) as theirs_too, session(scene, other) as others:
        assert await code_and_reason(scene, old) is None
        began = time.monotonic()
        await revoke(scene, user_id)
        for stream in (theirs, theirs_too):
            end = await end_of(stream)
            assert (end.code, end.reason) == REVOKED
        assert time.monotonic() - began < WITHIN_SECONDS
        assert await code_and_reason(scene, old) == REVOKED
        assert not others.done()
        assert await code_and_reason(scene, other) is None
    new = scene.api.user(user_id)
    assert await code_and_reason(scene, new) is None
    async with session(scene, new):
        pass


async def test_a_session_with_a_revoked_token_is_not_opened(scene: Scene) -> None:
    user_id = somebody()
    old = scene.api.user(user_id)
    await revoke(scene, user_id)
    stub = session_pb2_grpc.SessionServiceStub(scene.api.connection)
    end = await end_of(stub.Open(metadata=grpc.aio.Metadata(*old), timeout=_STREAM_SECONDS))
    assert (end.code, end.reason) == REVOKED


async def test_of_a_lost_device_only_its_own_tokens_are_revoked(scene: Scene) -> None:
    user_id = somebody()
    phone, desk = (bearer(scene.api.secret.user_token(user_id, session_id=name)) for name in ("phone", "desk"))
    async with session(scene, phone) as on_the_phone, session(scene, desk) as at_the_desk:
        await revoke(scene, user_id, session_id="phone")
        assert (await end_of(on_the_phone)).reason == "TOKEN_REVOKED"
        assert await code_and_reason(scene, phone) == REVOKED
        assert await code_and_reason(scene, desk) is None
        assert not at_the_desk.done()


async def test_another_application_revokes_nothing_here(scene: Scene) -> None:
    user_id = somebody()
    mine = scene.api.user(user_id)
    await revoke(scene, user_id, by=bearer(scene.foreign.server_token()))
    assert await code_and_reason(scene, mine) is None


async def test_who_listens_through_the_web_door_is_cut_off_too(scene: Scene, stack: Stack) -> None:
    if not isinstance(stack, ServeStack):
        return  # that way of running it has no door
    user_id = somebody()
    async with Http(stack.web, scene.api.secret.user_token(user_id)).listen() as lines:
        await lines.until("caughtUp")
        began = time.monotonic()
        await revoke(scene, user_id)
        assert "TOKEN_REVOKED" in await lines.all()
        assert time.monotonic() - began < WITHIN_SECONDS


async def test_a_session_ends_with_its_token(scene: Scene) -> None:
    seconds = 2
    began = time.monotonic()
    token = scene.api.secret.user_token(somebody(), seconds)
    async with session(scene, bearer(token)) as stream:
        async with asyncio.timeout(_STREAM_SECONDS):
            while isinstance(frame := await stream.read(), session_pb2.ServerFrame):
                goodbyes = [notice.goodbye for notice in frame.notices if notice.HasField("goodbye")]
        assert [goodbye.code for goodbye in goodbyes] == [session_pb2.GOODBYE_CODE_TOKEN_EXPIRED]
        assert seconds - 0.1 < time.monotonic() - began < seconds + WITHIN_SECONDS
