"""Where it is sent, and what may come back: an answer or a refusal that is documented, in time, and with nothing internal in it."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

import grpc
from tertulia.chat.v1 import error_pb2, session_pb2, user_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from libs.http2.client import connect
from tests.e2e.security.scene import Scene
from tests.fuzz.inputs import Inputs, Words
from tests.integration.http2.raw import peer
from tests.integration.web.door import PACKAGE, Http
from tests.support.api import SECONDS, Metadata, Refusal

CALLERS = ("alice", "bob", "carol", "eve", "frank", "the back end", "the back end for alice", "a stranger", "nobody")

_FAULTS = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS", "CANCELLED"}
"""Nothing that a client sends may bring these about: the stack is whole, and it has all the time that it needs."""
_INTERNAL_TEXT = re.compile(
    r"Traceback|\.py\b|\bFile \"|0x[0-9a-f]{6}|sqlite3?\.|cassandra|grpc\.|services\.|libs\.|<class|object at"
)
_SENTINEL_ID = 2**40 + 7
_SENTINEL_HANDLE = 2**31 + 7


def metadata_of(scene: Scene, caller: str) -> Metadata:
    """Of a call by one of `CALLERS`."""
    match caller:
        case "the back end":
            return scene.as_("")
        case "the back end for alice":
            return scene.api.server(acting_for=scene.id("alice"))
        case "a stranger":
            return scene.as_foreigner()
        case "nobody":
            return []
        case _:
            return scene.as_(caller)


def _words(scene: Scene) -> Words:
    """What means something in the scene."""
    people = [scene.id(name) for name in ("alice", "bob", "carol", "eve", "frank")]
    channels = [scene.id(name) for name in ("group", "open", "broadcast", "doomed", "direct")]
    return {
        "authorization": [dict(scene.as_("alice"))["authorization"]],
        "channel_id": channels,
        "client_message_id": ["used", "another"],
        "key": ["+1", "🎉"],
        "member_user_ids": people,
        "mentioned_user_ids": people,
        "name_prefix": ["a", "al"],
        "paths": ["name", "cover_url", "custom_data", "slow_mode_seconds"],
        "text": ["hello"],
        "user_id": people,
        "user_ids": people,
        "watch_user_ids": people,
    }


def check(refusal: Refusal) -> None:
    """It is documented."""
    assert refusal.code not in _FAULTS, refusal
    assert f"ERROR_REASON_{refusal.reason}" in error_pb2.ErrorReason.keys(), refusal  # noqa: SIM118 - an enum of protobuf is no mapping
    assert not _INTERNAL_TEXT.search(refusal.message), refusal


class Target:
    """A stack with a scene on it. Each method sends one thing, and fails if what comes back is not as it should be."""

    def __init__(self, scene: Scene, address: str, web: str) -> None:
        self.scene = scene
        self.web = web
        """Of the web door: `http://host:port`; empty: there is none."""
        self.inputs = Inputs(_words(scene))
        self._address = address

    async def call(self, caller: str, method: str, request: bytes) -> None:
        """A unary call."""
        answer = await self.scene.api.attempt(metadata_of(self.scene, caller), method, request)
        if isinstance(answer, Refusal):
            check(answer)

    async def converse(self, caller: str, frames: Sequence[bytes]) -> None:
        """A session on which frames are sent: it answers a call behind them, or ends with a refusal."""
        get_bob = user_pb2.GetUserRequest(user_id=self.scene.id("bob")).SerializeToString()
        last = session_pb2.Call(request_id=_SENTINEL_ID, method="UserService/GetUser", request=get_bob)
        all_frames = [*frames, session_pb2.ClientFrame(calls=[last]).SerializeToString()]
        service = session_pb2.DESCRIPTOR.services_by_name["SessionService"].full_name
        await self._stream(f"/{service}/Open", metadata_of(self.scene, caller), all_frames, _is_last_frame)

    async def carry(self, requests: Sequence[bytes]) -> None:
        """A stream of the web door's: somebody who is attached behind them is served, or it ends with a refusal."""
        [(_, authorization)] = self.scene.as_("bob")
        last = carrier_pb2.Attach(handle=_SENTINEL_HANDLE, authorization=authorization, request=b"\n\0")
        all_requests = [*requests, carrier_pb2.CarryRequest(attaches=[last]).SerializeToString()]
        service = carrier_pb2.DESCRIPTOR.services_by_name["CarrierService"].full_name
        await self._stream(f"/{service}/Carry", [], all_requests, _is_last_response)

    async def post(self, caller: str, method: str, body: object) -> None:
        """A call through the web door in JSON, where there is one."""
        if not self.web:
            return
        metadata = dict(metadata_of(self.scene, caller))
        http = Http(self.web, metadata.get("authorization", "").removeprefix("Bearer "))
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await http.post(f"/{PACKAGE}.{method}", data)
        if answer.status != 200:
            told = answer.json()
            check(Refusal(told["code"].upper(), answer.reason, told["message"], []))

    async def disturb(self, data: bytes) -> None:
        """Bytes on a connection of their own: another one is served as before."""
        async with peer(self._address) as broken:
            broken.send_bytes(data)
            with suppress(ConnectionError):  # that is one way to refuse it
                await broken.drained()
        request = user_pb2.GetUserRequest(user_id=self.scene.id("bob"))
        assert isinstance(await self.scene.api.attempt(self.scene.as_("bob"), "UserService/GetUser", request), bytes)

    async def _stream(
        self, path: str, metadata: Metadata, data: Sequence[bytes], is_last: Callable[[bytes], bool]
    ) -> None:
        """Send it all, and read up to what `is_last`, or to the end. By a client of our own: grpc.aio takes a write to a stream
        that has ended for the reason of its end.
        """
        heard: list[bytes] = []
        more = asyncio.Event()

        def on_message(message: bytes) -> None:
            heard.append(message)
            more.set()

        connection = await connect(self._address, asyncio.get_running_loop().time)
        try:
            stream = connection.call(path, list(metadata), on_message)
            stream.ended.add_done_callback(lambda _: more.set())
            for part in data:
                stream.send(part)
            async with asyncio.timeout(SECONDS):
                while not any(map(is_last, heard)):
                    if stream.ended.done():
                        _check_status(stream.ended.result())
                        return
                    heard.clear()
                    await more.wait()
                    more.clear()
        finally:
            connection.abort()


def _check_status(status: str) -> None:
    """Of a stream that the server ended: its code and message."""
    number, _, message = status.partition(" ")
    assert number.isdecimal(), status
    [code] = [code.name for code in grpc.StatusCode if code.value[0] == int(number)]
    assert code not in _FAULTS, status
    assert not _INTERNAL_TEXT.search(message), status


def _is_last_frame(data: bytes) -> bool:
    """Whether a frame answers what was asked last. Every refusal in it is checked."""
    frame = session_pb2.ServerFrame.FromString(data)
    for failure in frame.failures:
        check(_refusal(failure))
    answered = [reply.request_id for reply in frame.replies] + [failure.request_id for failure in frame.failures]
    return _SENTINEL_ID in answered


def _is_last_response(data: bytes) -> bool:
    """Whether a response is for who was attached last. Every refusal in it is checked."""
    parts = carrier_pb2.CarryResponse.FromString(data).parts
    for part in parts:
        if part.ended.HasField("failure"):
            check(_refusal(part.ended.failure))
    return any(_SENTINEL_HANDLE in (part.user_frame.handle, part.ended.handle) for part in parts)


def _refusal(failure: session_pb2.Failure) -> Refusal:
    [code] = [code for code in grpc.StatusCode if code.value[0] == failure.code]
    reason = error_pb2.ErrorReason.Name(failure.reason).removeprefix("ERROR_REASON_")
    return Refusal(code.name, reason, failure.message, [])
