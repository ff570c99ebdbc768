"""Floods of calls and sessions, by gRPC's own client. Each is what one of its workers does, again and again."""

import asyncio
import dataclasses
import uuid

import grpc
from tertulia.chat.v1 import event_pb2, session_pb2, session_pb2_grpc, user_pb2, user_pb2_grpc
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.floods.servers import Target
from tests.floods.tally import Tally

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
MALLORY = "mallory"
MALLORYS = "mallorys"
"""His room; he is alone there."""
_NOISE = "Where is my order? It was to come on Tuesday. " * 400  # 19 KB: what is not read is soon much
_SENDS = 20  # in a frame
_SECONDS = 20.0
_BREATH_SECONDS = 0.5


def _bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def _open(
    channel: grpc.aio.Channel, user_id: str = MALLORY
) -> "grpc.aio.StreamStreamCall[session_pb2.ClientFrame, session_pb2.ServerFrame]":
    stub = session_pb2_grpc.SessionServiceStub(channel)
    return stub.Open(metadata=tuple(_bearer(_SECRET.user_token(user_id))), timeout=_SECONDS)


def _frame(text: str, sends: int) -> session_pb2.ClientFrame:
    made = [
        session_pb2.Send(
            request_id=number,
            channel_id=MALLORYS,
            client_message_id=str(uuid.uuid4()),
            message=event_pb2.Message(text=text),
        )
        for number in range(1, sends + 1)
    ]
    return session_pb2.ClientFrame(sends=made)


_HELLO = session_pb2.ClientFrame(hello=session_pb2.Hello())


async def open_sessions(target: Target, tally: Tally) -> None:
    """Sessions of one user, one after the other; each ends when it was told something."""
    async with grpc.aio.secure_channel(target.address, target.credentials()) as channel:
        while True:
            stream = _open(channel)
            await stream.write(_HELLO)
            await stream.read()
            stream.cancel()
            tally.made += 1


async def send_too_much(target: Target, tally: Tally) -> None:
    """Messages of one user, far beyond the rate; each is answered."""
    async with grpc.aio.secure_channel(target.address, target.credentials()) as channel:
        stream = _open(channel)
        await stream.write(_HELLO)
        while True:
            await stream.write(_frame("buy this", _SENDS))
            await stream.read()
            tally.made += _SENDS


async def forge(target: Target, tally: Tally) -> None:
    """Calls with a token that somebody else has signed."""
    secret = dataclasses.replace(_SECRET, text="somebody else's, and long enough for it")
    metadata = tuple(_bearer(secret.user_token("ada")))
    async with grpc.aio.secure_channel(target.address, target.credentials()) as channel:
        users = user_pb2_grpc.UserServiceStub(channel)
        while True:
            try:
                await users.GetUser(user_pb2.GetUserRequest(user_id="ada"), metadata=metadata, timeout=_SECONDS)
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAUTHENTICATED:
                    raise
            tally.made += 1


async def read_nothing(target: Target, tally: Tally) -> None:
    """A session that speaks, and reads neither that nor what the others of its sort say: each is told all of it."""
    async with grpc.aio.secure_channel(target.address, target.credentials()) as channel:
        stream = _open(channel)
        await stream.write(_HELLO)
        while True:
            await stream.write(_frame(_NOISE, 1))
            tally.made += 1
            await asyncio.sleep(_BREATH_SECONDS)
