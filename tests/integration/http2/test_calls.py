"""What a call says and hears, in HTTP/2's own words."""

import asyncio
import base64
from contextlib import AsyncExitStack
from urllib.parse import unquote

import pytest
from google.rpc import error_details_pb2, status_pb2
from hyperframe.frame import DataFrame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from libs.http2.limits import MAX_HEADER_BYTES
from tests.integration.http2.echo import LIMITS, REFUSAL, Handlers, echoing
from tests.integration.http2.raw import Peer, message, peer


async def test_a_call_is_answered_with_headers_data_and_a_status(client: Peer) -> None:
    client.call(1, "echo", ("tertulia-user", "bob"))
    client.say(1, b"hello", end=True)
    headers = await client.until_ended(1)
    assert headers[":status"] == "200"
    assert headers["content-type"] == "application/grpc"
    assert headers["grpc-status"] == "0"
    assert client.data[1] == message(b"hello")


async def test_metadata_reach_the_handler_decoded(client: Peer, handlers: Handlers) -> None:
    client.call(
        1, "echo", ("tertulia-user", "bob"), ("caller-bin", "AAECAw"), ("grpc-accept-encoding", "gzip"), end=True
    )
    await client.until_ended(1)
    assert handlers.metadata == [("tertulia-user", "bob"), ("caller-bin", b"\0\1\2\3")]


async def test_a_refusal_has_its_status_message_and_details_in_one_header_frame(client: Peer) -> None:
    client.call(1, "refuse")
    client.say(1, b"", end=True)
    headers = await client.until_ended(1)
    assert [type(frame) for frame in client.frames if frame.stream_id == 1] == [HeadersFrame]
    assert headers["grpc-status"] == "5"
    assert unquote(headers["grpc-message"]) == REFUSAL.message
    assert headers["grpc-message"].isascii()
    details = headers["grpc-status-details-bin"]
    assert not details.endswith("=")
    status = status_pb2.Status.FromString(base64.b64decode(details + "=="))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, dict(info.metadata)) == ("CHANNEL_NOT_FOUND", {"a": "b"})


async def test_a_fault_shows_a_correlation_id_only(client: Peer) -> None:
    client.call(1, "fail", ("tertulia-correlation-id", "abc-1"), end=True)
    headers = await client.until_ended(1)
    assert headers["grpc-status"] == "13"
    assert unquote(headers["grpc-message"]) == "the server failed; quote abc-1 to its operator"


async def test_a_handler_that_waited_for_what_was_cancelled_ends_its_call(client: Peer) -> None:
    client.call(1, "give_up", end=True)
    assert (await client.until_ended(1))["grpc-status"] == "14"
    assert await client.answers(3)


async def test_a_call_that_ends_early_tells_the_client_to_stop_sending(client: Peer) -> None:
    client.call(1, "refuse")
    client.say(1, b"")
    await client.until_ended(1)
    assert (await client.until(RstStreamFrame, 1)).error_code == 0
    client.say(1, b"this was under way")
    assert await client.answers(3)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ((":path", "/test.Echo/Nothing"), "12"),
        (("grpc-encoding", "gzip"), "12"),
        (("grpc-timeout", "soon"), "3"),
        (("grpc-timeout", "5m"), "4"),
    ],
    ids=["no method", "compressed", "a bad deadline", "a deadline"],
)
async def test_what_cannot_be_served_gets_its_status(client: Peer, header: tuple[str, str], status: str) -> None:
    client.call(1, "echo", header)
    assert (await client.until_ended(1))["grpc-status"] == status
    assert await client.answers(3)


async def test_an_unknown_compression_is_told_what_is_accepted(client: Peer) -> None:
    client.call(1, "echo", ("grpc-encoding", "gzip"))
    assert (await client.until_ended(1))["grpc-accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("header", "status"), [((":method", "GET"), "405"), (("content-type", "text/html"), "415")], ids=["GET", "no gRPC"]
)
async def test_what_is_no_grpc_gets_an_http_status(client: Peer, header: tuple[str, str], status: str) -> None:
    client.call(1, "echo", header)
    assert (await client.until_ended(1))[":status"] == status
    assert await client.answers(3)


async def test_a_content_length_is_no_matter(client: Peer) -> None:
    client.call(1, "echo", ("content-length", "10"))
    client.say(1, b"hello", end=True)
    assert (await client.until_ended(1))["grpc-status"] == "0"


async def test_trailers_end_what_a_client_sends(client: Peer) -> None:
    client.call(1, "echo")
    client.say(1, b"hello")
    trailers = client.call_frame(1, "echo", end=True)
    trailers.data = b"\x00\x01a\x01b"  # one literal header, as trailers have no pseudo-headers
    client.send(trailers)
    assert (await client.until_ended(1))["grpc-status"] == "0"
    assert client.data[1] == message(b"hello")


async def test_messages_are_found_however_the_bytes_are_cut(client: Peer) -> None:
    texts = [b"", b"a", b"b" * 300, b"c" * 20_000]
    stream = b"".join(map(message, texts))
    client.call(1, "echo")
    for at in range(400):
        client.send(DataFrame(1, stream[at : at + 1]))
    client.send(DataFrame(1, stream[400:10_000], pad_length=100, flags=["PADDED"]), DataFrame(1, stream[10_000:]))
    client.send(DataFrame(1, b"", flags=["END_STREAM"]))
    await client.until_ended(1)
    assert client.data[1] == stream


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\1\0\0\0\5hello", "3"),
        (message(b"x" * (LIMITS.max_message_bytes + 1))[:100], "8"),
        (b"\0\xff\xff\xff\xff", "8"),
        (message(b"hello")[:7], "3"),
    ],
    ids=["compressed", "too large", "4 GB", "cut off"],
)
async def test_a_bad_message_ends_its_call_and_no_other(client: Peer, data: bytes, status: str) -> None:
    client.call(1, "echo")
    client.send(DataFrame(1, data, flags=["END_STREAM"]))
    assert (await client.until_ended(1))["grpc-status"] == status
    assert await client.answers(3)


async def test_a_reset_cancels_the_handler(client: Peer, handlers: Handlers) -> None:
    client.call(1, "wait")
    await client.until(DataFrame, 1)
    client.send(RstStreamFrame(1, error_code=8))
    async with asyncio.timeout(10):
        await handlers.gone.wait()
    assert await client.answers(3)


async def test_a_lost_connection_cancels_the_handler(address: str, handlers: Handlers) -> None:
    async with peer(address) as client:
        client.call(1, "wait")
        await client.until(DataFrame, 1)
    async with asyncio.timeout(10):
        await handlers.gone.wait()


async def test_the_deadline_of_a_call_cancels_its_handler(client: Peer, handlers: Handlers) -> None:
    client.call(1, "wait", ("grpc-timeout", "20m"))
    assert (await client.until_ended(1))["grpc-status"] == "4"
    assert handlers.gone.is_set()


async def test_calls_go_on_after_the_client_has_said_goaway(client: Peer, handlers: Handlers) -> None:
    client.call(1, "wait")
    await client.until(DataFrame, 1)
    client.send(GoAwayFrame(0, last_stream_id=0, error_code=0))
    handlers.go.set()
    assert (await client.until_ended(1))["grpc-status"] == "0"


async def test_a_drain_says_goaway_lets_open_calls_end_and_hangs_up(handlers: Handlers) -> None:
    serving = echoing(handlers, drain_seconds=10)
    address = await serving.__aenter__()
    async with peer(address) as client:
        client.call(1, "wait")
        await client.until(DataFrame, 1)
        stopping = asyncio.create_task(serving.__aexit__(None, None, None))
        goaway = await client.until(GoAwayFrame)
        assert (goaway.last_stream_id, goaway.error_code) == (1, 0)
        client.call(3, "echo")
        assert (await client.until(RstStreamFrame, 3)).error_code == 7, "refused: the client may try elsewhere"
        handlers.go.set()
        assert (await client.until_ended(1))["grpc-status"] == "0"
        await client.until_closed()
        await stopping
    with pytest.raises(OSError, match="111"):
        await asyncio.open_connection(*address.split(":"))


async def test_calls_that_were_reset_before_they_began_hold_no_drain_up(handlers: Handlers) -> None:
    async with asyncio.timeout(20):
        async with echoing(handlers, drain_seconds=100) as address, peer(address) as client:
            client.send(client.call_frame(1, "wait"), RstStreamFrame(1, error_code=8))
            assert await client.answers(3)


async def test_calls_that_outlast_the_drain_are_told_so(handlers: Handlers) -> None:
    async with AsyncExitStack() as clients:
        async with echoing(handlers, drain_seconds=0.05) as address:
            client = await clients.enter_async_context(peer(address))
            client.call(1, "wait")
            await client.until(DataFrame, 1)
        assert (await client.until_ended(1))["grpc-status"] == "14"
        assert handlers.gone.is_set()
        assert await client.until_closed() == 0


async def test_the_server_says_its_limits(address: str) -> None:
    async with peer(address, greet=False) as client:
        client.send_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        client.send(SettingsFrame(0))
        settings = (await client.until(SettingsFrame)).settings
        assert settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == LIMITS.max_streams
        assert settings[SettingsFrame.MAX_HEADER_LIST_SIZE] == MAX_HEADER_BYTES
        assert (await client.until(WindowUpdateFrame, 0)).window_increment == 63 * 65_535
