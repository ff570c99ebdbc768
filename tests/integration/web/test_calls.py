"""Unary calls through the door: plain JSON as `curl` sends it, and the clients of Connect and gRPC-Web."""

import gzip
import json
import secrets
import struct
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pyqwest
import pytest
from connectrpc.client import ConnectClient
from connectrpc.code import Code
from connectrpc.codec import Codec
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from tertulia.chat.v1 import session_pb2, user_pb2

from services.web.methods import public_methods
from tests.integration.gateway.processes import server_token, user_token
from tests.integration.web.conftest import Room
from tests.integration.web.door import Door, Http

pytestmark = pytest.mark.asyncio(loop_scope="module")

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
UNARY = "/tertulia.chat.v1.UserService/GetUser"
H2 = pyqwest.HTTPVersion.HTTP2


def info(
    service: str, name: str, request: type[Request], response: type[Response], kind: StreamType
) -> MethodInfo[Request, Response]:
    return MethodInfo(
        name=name,
        service_name=f"tertulia.chat.v1.{service}",
        input=request,
        output=response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


GET_USER = info("UserService", "GetUser", user_pb2.GetUserRequest, user_pb2.GetUserResponse, StreamType.UNARY)
LISTEN = info("SessionService", "Listen", session_pb2.ListenRequest, session_pb2.ServerFrame, StreamType.SERVER_STREAM)
OPEN = info("SessionService", "Open", session_pb2.ClientFrame, session_pb2.ServerFrame, StreamType.BIDI_STREAM)


def envelope(message: bytes, flags: int = 0) -> bytes:
    """A message of a Connect stream."""
    return struct.pack(">BI", flags, len(message)) + message


HELLO = envelope(session_pb2.ClientFrame(hello=session_pb2.Hello()).SerializeToString())


def bearer(user_id: str) -> dict[str, str]:
    return {"authorization": f"Bearer {user_token(user_id)}"}


async def test_every_public_method_is_there_and_asks_for_a_token(door: Door) -> None:
    nobody = Http(door.url)
    for method in public_methods():
        if not method.client_streaming:
            answer = await nobody.call(method.path.removeprefix("/tertulia.chat.v1."))
            assert (answer.status, answer.reason) == (401, "TOKEN_MISSING"), method.path


async def test_a_conversation_by_plain_json(room: Room) -> None:
    seq = await room.say("héllo ¡qué tal! 🎉")
    page = await room.ben.ask("MessageService/ListMessages", {"channelId": room.channel_id})
    [event] = page["events"]
    assert (int(event["seq"]), event["senderUserId"], event["message"]["text"]) == (
        seq,
        room.names[0],
        "héllo ¡qué tal! 🎉",
    )


async def test_curls_own_content_type_is_taken_for_json(room: Room) -> None:
    answer = await room.ben.call("ChannelService/ListMyChannels", content_type="application/x-www-form-urlencoded")
    assert answer.status == 200
    assert len(answer.json()["channels"]) == 1


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
@pytest.mark.parametrize("codec", [google_protobuf_binary_codec(), google_protobuf_json_codec()], ids=["proto", "json"])
async def test_clients_of_connect_and_grpc_web_call_and_listen(
    room: Room, protocol: ProtocolType, codec: Codec
) -> None:
    async with ConnectClient(room.url, codec=codec, protocol=protocol) as client:
        request = user_pb2.GetUserRequest(user_id=room.names[0])
        answer = await client.execute_unary(request=request, method=GET_USER, headers=bearer(room.names[1]))
        assert answer.user.user_id == room.names[0]
        frames = client.execute_server_stream(
            request=session_pb2.ListenRequest(), method=LISTEN, headers=bearer(room.names[1])
        )
        assert await anext(frames) == session_pb2.ServerFrame(), "headers and an empty frame come at once"
        notices = await until_caught_up(frames)
        assert notices[0].welcome.user_id == room.names[1]


async def until_caught_up(frames: AsyncIterator[session_pb2.ServerFrame]) -> list[session_pb2.Notice]:
    notices: list[session_pb2.Notice] = []
    async for frame in frames:
        notices += frame.notices
        if any(notice.HasField("caught_up") for notice in frame.notices):
            return notices
    raise AssertionError("the stream ended first")


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
async def test_an_error_has_its_code_and_its_reason_in_every_protocol(door: Door, protocol: ProtocolType) -> None:
    async with ConnectClient(door.url, codec=google_protobuf_binary_codec(), protocol=protocol) as client:
        request = user_pb2.GetUserRequest(user_id=f"nobody-{secrets.token_hex(4)}")
        with pytest.raises(ConnectError) as caught:
            await client.execute_unary(request=request, method=GET_USER, headers=bearer("somebody"))
    assert caught.value.code is Code.NOT_FOUND
    [detail] = caught.value.details
    reason = error_details_pb2.ErrorInfo.FromString(detail.message_bytes).reason
    assert reason == "USER_NOT_FOUND"


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
async def test_a_stream_that_is_refused_ends_with_the_code_and_the_reason(door: Door, protocol: ProtocolType) -> None:
    async with ConnectClient(door.url, codec=google_protobuf_json_codec(), protocol=protocol) as client:
        frames = client.execute_server_stream(
            request=session_pb2.ListenRequest(), method=LISTEN, headers={"authorization": "Bearer nonsense"}
        )
        with pytest.raises(ConnectError) as caught:
            await until_caught_up(frames)
    assert caught.value.code is Code.UNAUTHENTICATED
    [detail] = caught.value.details
    assert error_details_pb2.ErrorInfo.FromString(detail.message_bytes).reason == "TOKEN_INVALID"


@pytest.mark.parametrize(
    ("body", "headers", "code", "reason"),
    [
        (envelope(b"{}"), {"connect_timeout_ms": "300"}, "deadline_exceeded", "DEADLINE_EXCEEDED"),
        (envelope(b"{}"), {"connect_content_encoding": "lzma"}, "unimplemented", "METHOD_UNKNOWN"),
        (envelope(b"{}", flags=1), {}, "invalid_argument", "FRAME_INVALID"),
        (envelope(b"{}", flags=4), {}, "invalid_argument", "FRAME_INVALID"),
        (envelope(b'{"helo": {}}'), {}, "invalid_argument", "FRAME_INVALID"),
        (envelope(b"{}")[:-1], {}, "invalid_argument", "FRAME_INVALID"),
        (b"\0\0\0", {}, "invalid_argument", "FRAME_INVALID"),
        (envelope(b"\x1f\x8bno", flags=1), {"connect_content_encoding": "gzip"}, "invalid_argument", "FRAME_INVALID"),
        (b"\0\x7f\xff\xff\xff", {}, "resource_exhausted", "LIMIT_REACHED"),
        (b"", {}, "unimplemented", "METHOD_UNKNOWN"),
    ],
    ids=[
        "timeout",
        "compression",
        "packed for nothing",
        "flags",
        "misspelt",
        "cut",
        "cut in its head",
        "no gzip",
        "too large",
        "empty",
    ],
)
async def test_what_a_connect_stream_is_refused_for_stands_in_its_end(
    room: Room, body: bytes, headers: dict[str, str], code: str, reason: str
) -> None:
    path = "/tertulia.chat.v1.SessionService/Listen"
    answer = await room.ann.post(path, body, content_type="application/connect+json", **headers)
    assert answer.status == 200
    error = end_of(answer.body)["error"]
    assert error["message"]
    [info] = error["details"]
    assert (error["code"], info["type"], info["debug"]["reason"]) == (code, "google.rpc.ErrorInfo", reason)


@pytest.mark.parametrize(
    "broken",
    [envelope(b"", flags=1), envelope(b"", flags=4), envelope(b"xx")[:-1], b"\0\0"],
    ids=["packed for nothing", "flags", "cut", "cut in its head"],
)
@pytest.mark.parametrize("before", [b"", HELLO], ids=["first", "after hello"])
async def test_a_frame_of_the_session_that_cannot_be_read_ends_it_with_the_reason(
    room: Room, before: bytes, broken: bytes
) -> None:
    http = Http(room.url, user_token(room.names[0]), pyqwest.HTTPTransport(http_version=H2))
    path = "/tertulia.chat.v1.SessionService/Open"
    answer = await http.post(path, before + broken, content_type="application/connect+proto")
    error = end_of(answer.body)["error"]
    assert (error["code"], error["details"][0]["debug"]["reason"]) == ("invalid_argument", "FRAME_INVALID")


async def test_a_frame_of_grpc_web_that_cannot_be_read_is_refused_with_the_reason(room: Room) -> None:
    for path in (UNARY, "/tertulia.chat.v1.SessionService/Listen"):
        for broken in (envelope(b"", flags=1), envelope(b"xx")[:-1]):
            answer = await room.ann.post(path, broken, content_type="application/grpc-web+proto")
            said = f"{answer.headers.get('grpc-status', '')} {answer.body.decode('latin-1')}"
            assert "grpc-status: 3" in said or said.startswith("3 "), said


def end_of(stream: bytes) -> Any:
    """The last envelope, which ends the stream."""
    while True:
        flags, length = struct.unpack(">BI", stream[:5])
        message, stream = stream[5 : 5 + length], stream[5 + length :]
        if flags & 2:
            assert stream == b"", "nothing comes after the end"
            return json.loads(message)


async def test_the_session_itself_works_over_http2(room: Room) -> None:
    async def client_frames() -> AsyncIterator[session_pb2.ClientFrame]:
        yield session_pb2.ClientFrame(hello=session_pb2.Hello())

    client = ConnectClient(
        room.url,
        codec=google_protobuf_binary_codec(),
        http_client=pyqwest.Client(pyqwest.HTTPTransport(http_version=H2)),
    )
    frames = client.execute_bidi_stream(request=client_frames(), method=OPEN, headers=bearer(room.names[0]))
    notices = await until_caught_up(frames)
    assert notices[0].welcome.user_id == room.names[0]


async def test_over_http1_a_stream_in_both_directions_is_refused(room: Room) -> None:
    answer = await room.ann.call("SessionService/Open", content_type="application/connect+json")
    assert (answer.status, answer.reason) == (505, "METHOD_UNKNOWN")


async def test_a_server_acts_for_a_user_and_a_user_for_nobody_else(room: Room) -> None:
    mine = await room.server.call("ChannelService/ListMyChannels", tertulia_user=room.names[0])
    assert len(mine.json()["channels"]) == 1
    refused = await room.ann.call("ChannelService/ListMyChannels", tertulia_user=room.names[1])
    assert (refused.status, refused.reason) == (403, "SERVER_KEY_REQUIRED")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "no tertulia.chat.v1.GetUserRequest"),
        (b'{"userid": "ann"}', "there is no field 'userid'"),
        (b'{"userId": 7}', "no tertulia.chat.v1.GetUserRequest"),
        (b"[" * 100_000, "no tertulia.chat.v1.GetUserRequest"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"userId": "\\ud800"}', "no tertulia.chat.v1.GetUserRequest"),
        (b'{"userId": %s}' % (b"9" * 5_000), "more digits than any field takes"),
    ],
    ids=["cut", "misspelt", "wrong type", "deep", "no utf-8", "surrogate", "digits"],
)
async def test_json_that_is_no_request_is_refused_with_a_reason(door: Door, body: bytes, says: str) -> None:
    answer = await Http(door.url, user_token("ann")).post("/tertulia.chat.v1.UserService/GetUser", body)
    assert (answer.status, answer.reason) == (400, "FRAME_INVALID")
    assert says in answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [f"{UNARY.rpartition('/')[0]}/Guess", "/tertulia.chat.v1.GuessService/Guess", "/grpc.health.v1.Health/Check"],
)
async def test_an_unknown_method_is_not_found(door: Door, path: str) -> None:
    answer = await Http(door.url, user_token("ann")).post(path, b"{}")
    assert (answer.status, answer.json()["code"], answer.reason) == (404, "unimplemented", "METHOD_UNKNOWN")
    assert path in answer.json()["message"]


@pytest.mark.parametrize("path", [UNARY, "/tertulia.chat.v1.SessionService/Open"])
async def test_what_is_called_by_post_says_so_to_everything_else(door: Door, path: str) -> None:
    for answer in (
        await Http(door.url).get(path),
        await Http(door.url).get(path, content_type="application/json"),
        await Http(door.url).preflight(path),
    ):
        assert (answer.status, answer.headers["allow"], answer.reason) == (405, "POST", "METHOD_UNKNOWN")
        assert answer.json()["message"] == "use POST here"


@pytest.mark.parametrize(
    "content_type", ["application/grpc", "application/grpc+proto", "application/grpc-web-text", ""]
)
async def test_what_the_door_does_not_speak_is_said(door: Door, content_type: str) -> None:
    answer = await Http(door.url).call("UserService/GetUser", content_type=content_type)
    assert answer.status == 415
    assert content_type in answer.json()["message"]
    assert "send application/json" in answer.json()["message"]


async def test_a_request_may_be_compressed_where_connect_has_it(room: Room) -> None:
    packed = gzip.compress(json.dumps({"userId": room.names[1]}).encode())
    answer = await room.ann.post(UNARY, packed, content_encoding="gzip")
    assert answer.json()["user"]["userId"] == room.names[1]
    for spoilt in (b"{}", packed[:-1]):
        refused = await room.ann.post(UNARY, spoilt, content_encoding="gzip")
        assert (refused.status, refused.reason) == (400, "FRAME_INVALID")
        assert "send it as it is" in refused.json()["message"]
    unknown = await room.ann.post(UNARY, packed, content_encoding="br")
    assert (unknown.status, unknown.json()["code"]) == (501, "unimplemented")
    assert unknown.json()["message"] == "unknown compression: 'br': supported encodings are gzip"


@pytest.mark.parametrize("content_type", ["application/json", "application/connect+json", "application/grpc-web+json"])
async def test_a_request_is_not_compressed_as_a_whole_where_its_messages_are(room: Room, content_type: str) -> None:
    path = "/tertulia.chat.v1.SessionService/Listen"
    answer = await room.ann.post(path, gzip.compress(b"{}"), content_encoding="gzip", content_type=content_type)
    assert (answer.status, answer.reason) == (415, "FRAME_INVALID")
    assert "send this request as it is" in answer.json()["message"]


async def test_a_deadline_of_the_client_is_kept(door: Door) -> None:
    answer = await Http(door.url, server_token()).call("UserService/ListUsers", connect_timeout_ms="0")
    assert (answer.status, answer.json()["code"]) == (504, "deadline_exceeded")


async def test_a_correlation_id_goes_in_and_comes_back(door: Door) -> None:
    given = await Http(door.url).get("/healthz", tertulia_correlation_id="abc-123")
    assert given.headers["tertulia-correlation-id"] == "abc-123"
    made = await Http(door.url).get("/healthz", tertulia_correlation_id="two words")
    assert len(made.headers["tertulia-correlation-id"]) == 16
