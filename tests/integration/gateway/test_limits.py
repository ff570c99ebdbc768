"""What one client may take of a gateway, so that something is left for the others (I9)."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import grpc
import pytest
import pytest_asyncio
from google.protobuf import empty_pb2
from google.protobuf.message import Message
from hyperframe.frame import HeadersFrame
from tertulia.chat.v1 import error_pb2, message_pb2, session_pb2
from tertulia.tokens import Secret
from tertulia_internal.gateway.v1 import carrier_pb2

from tests.integration.gateway.cast import Cast
from tests.integration.gateway.processes import APPLICATION, KEY, SECRET, Around, running, token, user_token
from tests.integration.http2.raw import Closed, Peer, peer
from tests.support.api import Api, Metadata, Refusal, bearer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("gateway-limits")]

UNKNOWN, CALLS, WRITES = 20, 8, 6
SLOWLY = 0.001  # a second: nothing comes back while a test lasts
LIST = "MessageService/ListMessages"
NOWHERE = message_pb2.ListMessagesRequest(channel_id="nowhere")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def around(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Around]:
    async with running(
        tmp_path_factory.mktemp("limits"),
        max_unauthenticated_connections=UNKNOWN,
        user_calls_per_second=SLOWLY,
        user_calls_burst=CALLS,
        user_writes_per_second=SLOWLY,
        user_writes_burst=WRITES,
    ) as around:
        yield around


@pytest_asyncio.fixture(loop_scope="module")
async def api(channel: grpc.aio.Channel) -> Api:
    return Api(channel, Secret(APPLICATION, KEY, SECRET))


def anybody() -> str:
    return f"somebody-{secrets.token_hex(4)}"


@pytest.mark.parametrize(
    ("method", "request_", "more", "reason"),
    [
        (LIST, NOWHERE, (), "CHANNEL_NOT_FOUND"),
        (LIST, message_pb2.ListMessagesRequest(), (), "FIELD_INVALID"),
        (LIST, b"\xff\xff", (), "FRAME_INVALID"),
        (LIST, NOWHERE, (("tertulia-user", "somebody else"),), "SERVER_KEY_REQUIRED"),
        ("UserService/ListUsers", b"", (), "SERVER_KEY_REQUIRED"),
    ],
    ids=["not found", "bad input", "no message", "for somebody else", "not for users"],
)
async def test_calls_that_are_refused_for_cause_count_as_others_do(
    api: Api, method: str, request_: Message | bytes, more: Metadata, reason: str
) -> None:
    who = [*api.user(anybody()), *more]
    refusals = [await api.attempt(who, method, request_) for _ in range(CALLS + 1)]
    assert _reasons(refusals) == [reason] * CALLS + ["RATE_LIMITED"]
    assert _reasons([await api.attempt(api.user(anybody()), LIST, NOWHERE)]) == ["CHANNEL_NOT_FOUND"]


async def test_so_do_those_of_a_guest_who_wants_what_is_not_for_guests(api: Api) -> None:
    guest = bearer(token(guest=True, sid=anybody()))
    refusals = [await api.attempt(guest, "UserService/ListUsers", b"") for _ in range(CALLS + 1)]
    assert _reasons(refusals) == ["GUEST_READ_ONLY"] * CALLS + ["RATE_LIMITED"]


async def test_so_do_those_on_sessions(cast: Cast) -> None:
    async with cast.online("alice") as alice:
        failures = [
            await alice.call(method, empty_pb2.Empty(), empty_pb2.Empty()) for method in ("No/Method", *[LIST] * CALLS)
        ]
    assert [failure.reason if failure is not None else None for failure in failures] == [
        error_pb2.ERROR_REASON_METHOD_UNKNOWN,
        *[error_pb2.ERROR_REASON_FIELD_INVALID] * (CALLS - 1),
        error_pb2.ERROR_REASON_RATE_LIMITED,
    ]


async def test_so_do_positions_where_the_user_is_no_member_and_whom_they_follow(cast: Cast) -> None:
    """In channels of their own no position counts: those that wait are joined."""
    room = await cast.group("room", "alice", "bob")
    follow = session_pb2.Watch(user_ids=["carol"])
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        last = await alice.acked(await alice.send(room.channel_id, "hello"))
        mine = session_pb2.MarkRead(channel_id=room.channel_id, read_seq=last, request_id=1_000)
        nowhere = [session_pb2.MarkRead(channel_id="nowhere", read_seq=1, request_id=n) for n in range(2_000, 2_003)]
        await alice.write(
            session_pb2.ClientFrame(reads=[*[mine] * 2 * CALLS, *nowhere], watches=[follow] * (CALLS - 3))
        )
        refused = await alice.call(LIST, NOWHERE, empty_pb2.Empty())
        assert refused is not None
        assert refused.reason == error_pb2.ERROR_REASON_RATE_LIMITED
        await alice.until(lambda: len(alice.of_kind("presence")) == CALLS - 3, "how she is")
        failed = {number: failure.reason for number, failure in alice.failures.items() if number >= 1_000}
        assert failed == {2_002: error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND}, "joined, too, in what is no channel of hers"
        await bob.write(session_pb2.ClientFrame(watches=[follow]))
        await bob.until(lambda: bool(bob.of_kind("presence")), "others are not held up")


async def test_messages_that_are_refused_for_cause_count_as_others_do(cast: Cast) -> None:
    """Of a frame, those that the rate leaves no room for are refused by it; with them goes what is behind them in their channel."""
    room = await cast.group("room", "alice", "bob")
    async with cast.online("alice") as alice, cast.online("bob") as bob:
        nowhere = await alice.send_all("nowhere", ["anybody?"] * 2)
        empty = await alice.send_all(room.channel_id, [""] * 2)
        good = await alice.send_all(room.channel_id, ["hello"] * (WRITES - 4 + 2))
        seqs = [await alice.acked(request) for request in good[: WRITES - 4]]
        assert seqs == [2, 3]
        for requests, reason in (
            (nowhere, error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND),
            (empty, error_pb2.ERROR_REASON_FIELD_INVALID),
            (good[WRITES - 4 :], error_pb2.ERROR_REASON_RATE_LIMITED),
        ):
            assert {(await alice.failure(request)).reason for request in requests} == {reason}
        assert await bob.acked(await bob.send(room.channel_id, "others are not held up")) == 4


async def test_by_a_good_token_a_connection_leaves_the_crowd_that_is_hung_up_on_first(
    around: Around, cast: Cast
) -> None:
    """Whichever way it is shown. The others have all that may be unknown: one of them has to go for each that comes from elsewhere."""
    good = user_token(cast.id("alice"))
    attach = carrier_pb2.Attach(handle=1, authorization=f"Bearer {good}")
    async with AsyncExitStack() as opened:

        async def from_there() -> Peer:
            return await opened.enter_async_context(peer(around.gateway.address, source="127.0.0.2"))

        *known, forger = [await from_there() for _ in range(5)]  # were one of the others unknown, it would go first
        await _say(forger, f".chat.v1.{LIST}", token(sub="x", iss="another"), NOWHERE)
        await _say(known[0], f".chat.v1.{LIST}", good, NOWHERE)
        await _say(known[1], ".chat.v1.SessionService/Open", good, session_pb2.ClientFrame(hello=session_pb2.Hello()))
        await _say(known[2], ".chat.v1.SessionService/Listen", good, session_pb2.ListenRequest())
        await _say(
            known[3], "_internal.gateway.v1.CarrierService/Carry", "", carrier_pb2.CarryRequest(attaches=[attach])
        )
        with suppress(Closed):
            for _ in range(UNKNOWN):
                await from_there()
        async with peer(around.gateway.address) as newcomer:
            assert await newcomer.alive()
            await forger.until_closed()
            for client in known:
                assert await client.alive()


async def _say(client: Peer, method: str, bearer: str, request: Message) -> None:
    """Call a method, and wait for the beginning of the answer."""
    shown = [("authorization", f"Bearer {bearer}")] if bearer else []
    client.call(1, "", (":path", f"/tertulia{method}"), *shown)
    client.say(1, request.SerializeToString())
    await client.until(HeadersFrame, 1)


def _reasons(answers: list[bytes | Refusal]) -> list[str]:
    return [answer.reason if isinstance(answer, Refusal) else "" for answer in answers]
