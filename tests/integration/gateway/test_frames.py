"""What a client may say, and the answer to everything else (I10)."""

from collections.abc import Callable

import grpc
import pytest
from google.protobuf.message import Message
from tertulia.chat.v1 import error_pb2, event_pb2, message_pb2, session_pb2

from libs.rpc.errors import TertuliaError
from libs.rpc.status import from_rpc_error
from tests.integration.gateway.cast import Cast
from tests.integration.gateway.client import session
from tests.integration.gateway.processes import token, user_token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-frames")]

HELLO = session_pb2.ClientFrame(hello=session_pb2.Hello())


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ("", error_pb2.ERROR_REASON_TOKEN_MISSING),
        ("Basic abc", error_pb2.ERROR_REASON_TOKEN_MISSING),
        ("Bearer garbage", error_pb2.ERROR_REASON_TOKEN_INVALID),
        (
            f"Bearer {token(sub='x', secret='another-secret-of-at-least-32-bytes')}",  # noqa: S106 - of nobody
            error_pb2.ERROR_REASON_TOKEN_INVALID,
        ),
        (f"Bearer {token(sub='x', key_id='unknown')}", error_pb2.ERROR_REASON_TOKEN_INVALID),
        (f"Bearer {token(sub='x', iss='another')}", error_pb2.ERROR_REASON_TOKEN_INVALID),
        (f"Bearer {token(sub='x', exp=1)}", error_pb2.ERROR_REASON_TOKEN_EXPIRED),
    ],
    ids=["none", "basic", "garbage", "wrong secret", "unknown key", "another application", "expired"],
)
async def test_a_bad_token_opens_nothing(
    channel: grpc.aio.Channel, cast: Cast, credentials: str, reason: error_pb2.ErrorReason.ValueType
) -> None:
    metadata = [("authorization", credentials)] if credentials else []
    with pytest.raises(grpc.aio.AioRpcError) as unary:
        await cast.messages.ListMessages(message_pb2.ListMessagesRequest(channel_id="x"), metadata=metadata)
    assert unary.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert from_rpc_error(unary.value).reason == reason
    call = _raw(channel)(metadata=metadata)
    with pytest.raises(grpc.aio.AioRpcError) as stream:
        await _read_to_the_end(call)
    assert from_rpc_error(stream.value).reason == reason


@pytest.mark.parametrize(
    "first",
    [b"\xff\xff garbage", b"", session_pb2.ClientFrame(sends=[session_pb2.Send()]).SerializeToString()],
    ids=["garbage", "empty", "no hello"],
)
async def test_a_first_frame_that_is_no_hello_ends_the_session(
    channel: grpc.aio.Channel, cast: Cast, first: bytes
) -> None:
    error = await _open_raw(channel, user_token(cast.id("alice")), first)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_FRAME_INVALID)


async def test_a_hello_that_breaks_its_rules_ends_the_session(channel: grpc.aio.Channel, cast: Cast) -> None:
    hello = session_pb2.Hello(positions=[session_pb2.Position(log_id=b"short", seq=1)])
    frame = session_pb2.ClientFrame(hello=hello).SerializeToString()
    error = await _open_raw(channel, user_token(cast.id("alice")), frame)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_FIELD_INVALID)
    assert error.field_violations[0].field == "positions[0].log_id"


@pytest.mark.parametrize(
    "second",
    [
        b"\xff\xff garbage",
        HELLO.SerializeToString(),
        session_pb2.ClientFrame(sends=[session_pb2.Send()] * 257).SerializeToString(),
        session_pb2.ClientFrame(calls=[session_pb2.Call()] * 65).SerializeToString(),
    ],
    ids=["garbage", "second hello", "257 sends", "65 calls"],
)
async def test_a_later_frame_that_breaks_the_rules_ends_the_session(
    channel: grpc.aio.Channel, cast: Cast, second: bytes
) -> None:
    error = await _open_raw(channel, user_token(cast.id("alice")), HELLO.SerializeToString(), second)
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_FRAME_INVALID)


async def test_a_frame_that_is_too_large_ends_only_its_own_session(channel: grpc.aio.Channel, cast: Cast) -> None:
    room = await cast.group("room", "alice")
    async with cast.online("alice") as alice:
        error = await _open_raw(channel, user_token(cast.id("alice")), b"\0" * 5_000_000)
        assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await alice.acked(await alice.send(room.channel_id, "still here"))


def _message(**fields: object) -> event_pb2.Message:
    return event_pb2.Message(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda send: send.message.Clear(), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: send.ClearField("message"), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: send.message.MergeFrom(_message(text="x" * 10_001)), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: send.message.MergeFrom(_message(text="a\0b")), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: setattr(send, "client_message_id", ""), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: setattr(send, "channel_id", "a.*.>"), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: setattr(send, "after_seq", 1_000), error_pb2.ERROR_REASON_FIELD_INVALID),
        (lambda send: setattr(send.message, "reply_to_seq", 999), error_pb2.ERROR_REASON_REPLY_TARGET_INVALID),
        (lambda send: setattr(send.message, "original_time_ms", 5), error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED),
        (lambda send: setattr(send, "as_user_id", "somebody"), error_pb2.ERROR_REASON_SERVER_KEY_REQUIRED),
        (lambda send: setattr(send, "channel_id", "nowhere"), error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND),
    ],
    ids=["empty message", "no message", "long text", "NUL", "no id", "bad channel id", "after the head", "reply to nothing",
         "original time", "for another", "no channel"],
)  # fmt: skip
async def test_a_bad_send_is_refused_with_its_reason_and_ends_nothing(
    cast: Cast, spoil: Callable[[session_pb2.Send], None], reason: error_pb2.ErrorReason.ValueType
) -> None:
    room = await cast.group("room", "alice")
    async with cast.online("alice") as alice:
        bad = session_pb2.Send(
            request_id=77, channel_id=room.channel_id, client_message_id="bad", message=_message(text="hello")
        )
        spoil(bad)
        await alice.write(session_pb2.ClientFrame(sends=[bad]))
        assert (await alice.failure(77)).reason == reason
        assert await alice.acked(await alice.send(room.channel_id, "fine")) == 2, "the refused one took no seq"


async def test_an_unknown_method_is_refused(cast: Cast) -> None:
    async with cast.online("alice") as alice:
        for method in ("MessageService/Nothing", "SessionService/Open", "", "LogService/Append"):
            failure = await alice.call(method, message_pb2.GetMessageRequest(), message_pb2.GetMessageResponse())
            assert failure is not None
            assert failure.reason == error_pb2.ERROR_REASON_METHOD_UNKNOWN


async def test_a_server_key_speaks_only_in_the_name_of_a_member(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    async with cast.server() as server:
        nobody = await server.failure(await server.send(room.channel_id, "hello"))
        assert nobody.reason == error_pb2.ERROR_REASON_FIELD_INVALID
        eve = await server.failure(await server.send(room.channel_id, "hello", as_user_id=cast.id("eve")))
        assert eve.reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND
        assert await server.acked(await server.send(room.channel_id, "hello", as_user_id=cast.id("alice"))) == 2


async def test_a_client_that_sends_no_more_gets_its_answers_before_the_end(cast: Cast) -> None:
    room = await cast.group("room", "alice")
    async with cast.online("alice") as alice:
        requests = await alice.send_all(room.channel_id, ["last words"] * 50)
        await alice.finish()
        assert alice.error is None
        assert set(requests) <= set(alice.acks)


async def test_a_listener_hears_what_a_session_hears(channel: grpc.aio.Channel, cast: Cast) -> None:
    room = await cast.group("room", "alice", "bob")
    listen = channel.unary_stream(
        "/tertulia.chat.v1.SessionService/Listen",
        session_pb2.ListenRequest.SerializeToString,
        session_pb2.ServerFrame.FromString,
    )
    request = session_pb2.ListenRequest(watch_user_ids=[cast.id("alice")])
    call = listen(request, metadata=cast.as_user("bob"), timeout=15)
    frame = session_pb2.ServerFrame()
    while not any(notice.HasField("presence") for notice in frame.notices):
        frame.MergeFrom(await _next(call))
    async with cast.online("alice") as alice:
        await alice.send(room.channel_id, "hello")
        while not any(piece.log_id == room.log_id for piece in frame.slices):
            frame.MergeFrom(await _next(call))
    call.cancel()


async def _open_raw(channel: grpc.aio.Channel, token: str, *frames: bytes) -> TertuliaError:
    """Send frames as they are; the error that the stream ended with."""
    call = _raw(channel)(metadata=[("authorization", f"Bearer {token}")], timeout=15)
    for frame in frames:
        await call.write(frame)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await _read_to_the_end(call)
    return from_rpc_error(error.value)


def _raw(channel: grpc.aio.Channel) -> "grpc.aio.StreamStreamMultiCallable[bytes, bytes]":
    return channel.stream_stream("/tertulia.chat.v1.SessionService/Open")


async def _read_to_the_end(call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
    data: object = b""
    while data is not grpc.aio.EOF:
        data = await call.read()


async def _next(
    call: "grpc.aio.UnaryStreamCall[Message, session_pb2.ServerFrame]",
) -> session_pb2.ServerFrame:
    frame = await call.read()
    assert isinstance(frame, session_pb2.ServerFrame), "the stream ended"
    return frame


async def test_a_token_that_expires_ends_the_session_with_a_goodbye(channel: grpc.aio.Channel, cast: Cast) -> None:
    async with session(channel, user_token(cast.id("alice"), seconds=2)) as alice:
        await alice.hello()
        assert await alice.until_ended() is None
        assert alice.goodbye is not None
        assert (alice.goodbye.code, alice.goodbye.reconnect) == (session_pb2.GOODBYE_CODE_TOKEN_EXPIRED, True)
