"""Connecting, staying connected, and ending."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import grpc
import pytest
import tertulia
from tertulia.chat.v1 import channel_pb2, error_pb2, message_pb2, session_pb2

from tests.support.ports import free_port, until
from tests.unit.sdk.conftest import SECRET, Connect
from tests.unit.sdk.fake_gateway import FakeGateway, serving
from tests.unit.sdk.fake_log import Refusal
from tests.unit.sdk.reading import messages_until, next_event

EXPIRED = Refusal(grpc.StatusCode.UNAUTHENTICATED, error_pb2.ERROR_REASON_TOKEN_EXPIRED)


async def test_connecting_tells_who_one_is_and_ones_channels(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.channel("others", "bob")
    gateway.say("team", "hello")
    async with as_user() as client:
        assert client.user_id == "alice"
        assert client.state is tertulia.ConnectionState.ONLINE
        assert list(client.joined) == ["team"]
        mine = client.joined["team"]
        assert (mine.head_seq, mine.unread, mine.last_message and mine.last_message.text) == (1, 1, "hello")


async def test_no_server_is_an_error_that_says_so_in_time() -> None:
    client = tertulia.connect(f"127.0.0.1:{free_port()}", token=SECRET.user_token("alice"), connect_timeout=0.5)
    with pytest.raises(tertulia.Unreachable, match=r"0\.5 s"):
        async with client:
            pass


async def test_the_addresses_are_tried_in_turn(address: str) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    async with tertulia.connect([nobody, address], token=SECRET.user_token("alice")) as client:
        assert client.user_id == "alice"


async def test_a_client_whose_gateway_goes_away_goes_on_at_another_one(gateway: FakeGateway) -> None:
    gateway.channel("team", "alice", "bob")
    async with serving(gateway) as first, AsyncExitStack() as others:
        async with serving(gateway) as second:
            client = tertulia.connect(f"{second},{first}", token=SECRET.user_token("alice"))
            await others.enter_async_context(client)
            gateway.say("team", "1")
            await messages_until(client, "1")
        gateway.say("team", "2")
        await client.send("team", "3")
        assert [message.text for message in await messages_until(client, "3")] == ["2", "3"]


async def test_clients_spread_over_the_addresses(gateway: FakeGateway) -> None:
    """That all of 40 begin at the same one of two happens once in 500 billion times."""
    other = FakeGateway()
    async with serving(gateway) as one, serving(other) as two, AsyncExitStack() as clients:
        for _ in range(40):
            client = tertulia.connect([one, two], token=SECRET.user_token("alice"))
            await clients.enter_async_context(client)
        assert gateway.connections
        assert other.connections


async def test_a_server_that_comes_back_is_found_again() -> None:
    gateway, port = FakeGateway(), free_port()
    gateway.channel("team", "alice")
    async with asyncio.timeout(30):
        async with serving(gateway, port) as address:
            client = tertulia.connect(address, token=SECRET.user_token("alice"))
            await client.__aenter__()
        sending = asyncio.create_task(client.send("team", "patient"))
        async with serving(gateway, port):
            assert (await sending).seq == 1
            await client.close()


async def test_a_wrong_token_is_an_error_at_once(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.on_token = _refuse(Refusal(grpc.StatusCode.UNAUTHENTICATED, error_pb2.ERROR_REASON_TOKEN_INVALID))
    with pytest.raises(tertulia.Unauthenticated) as raised:
        async with as_user():
            pass
    assert raised.value.reason == "TOKEN_INVALID"


async def test_a_token_that_expires_ends_the_client_with_an_error_for_everybody(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice")
    async with as_user() as client:
        gateway.on_token = _refuse(EXPIRED)
        gateway.cut()
        with pytest.raises(tertulia.Unauthenticated):
            async for _ in client.events():
                pass
        with pytest.raises(tertulia.Unauthenticated):
            await client.send("team", "?")


async def test_the_token_provider_is_asked_again_when_its_token_has_expired(gateway: FakeGateway, address: str) -> None:
    tokens = iter([SECRET.user_token("alice", 600), SECRET.user_token("alice", 700)])
    asked: list[str] = []

    async def provider() -> str:
        asked.append(next(tokens))
        return asked[-1]

    def only_newest(token: str) -> None:
        if len(gateway.tokens) > 1 and token == asked[0]:
            raise EXPIRED

    gateway.on_token = only_newest
    async with tertulia.connect(address, token_provider=provider) as client:
        gateway.cut()
        await _until_online_again(client)
    assert gateway.tokens == [asked[0], asked[0], asked[1]]


async def test_a_provider_whose_new_token_is_refused_is_not_asked_for_ever(gateway: FakeGateway, address: str) -> None:
    asked = 0

    async def provider() -> str:
        nonlocal asked
        asked += 1
        return SECRET.user_token("alice")

    gateway.on_token = _refuse(EXPIRED)
    with pytest.raises(tertulia.Unauthenticated):
        async with tertulia.connect(address, token_provider=provider):
            pass
    assert asked == 1


async def test_a_goodbye_that_says_so_is_followed_by_another_session(gateway: FakeGateway, as_user: Connect) -> None:
    async with as_user() as client:
        gateway.connections[0].notice(
            goodbye=session_pb2.Goodbye(code=session_pb2.GOODBYE_CODE_DRAIN, reconnect=True, message="moving")
        )
        await _until_online_again(client)
        assert len(gateway.tokens) == 2


async def test_a_goodbye_for_good_ends_the_client(gateway: FakeGateway, as_user: Connect) -> None:
    async with as_user() as client:
        gateway.connections[0].notice(goodbye=session_pb2.Goodbye(reconnect=False, message="that was all"))
        with pytest.raises(tertulia.SessionEnded, match="that was all"):
            async for _ in client.events():
                pass
        assert client.state is tertulia.ConnectionState.CLOSED


async def test_a_server_that_says_nothing_is_given_up(
    gateway: FakeGateway, as_user: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tertulia.session.WELCOME_SECONDS", 0.1)
    gateway.mangle = lambda frame: [frame] if len(gateway.tokens) > 1 else []
    async with as_user() as client:
        assert client.state is tertulia.ConnectionState.ONLINE
    assert len(gateway.tokens) >= 2


async def test_a_server_that_asks_to_stay_away_for_a_while_is_left_alone_so_long(
    gateway: FakeGateway, as_user: Connect
) -> None:
    clock = asyncio.get_running_loop().time
    tries: list[float] = []

    def full_at_first(_token: str) -> None:
        tries.append(clock())
        if len(tries) == 1:
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, error_pb2.ERROR_REASON_OVERLOADED, retry_after_ms=400)

    gateway.on_token = full_at_first
    async with as_user():
        assert tries[1] - tries[0] >= 0.4, "by itself it would come back within 0.1 s"


async def test_calls_that_were_given_up_while_no_server_was_there_take_no_room(
    gateway: FakeGateway, as_user: Connect
) -> None:
    async with as_user() as client:
        gateway.on_token = _refuse(Refusal(grpc.StatusCode.UNAVAILABLE, error_pb2.ERROR_REASON_UNAVAILABLE))
        gateway.cut()
        await until(lambda: client.state is tertulia.ConnectionState.CONNECTING, "the session is over")
        request = message_pb2.ListMessagesRequest(channel_id="team")
        for _ in range(3):
            with pytest.raises(tertulia.Unreachable):
                await client.call(
                    "MessageService/ListMessages", request, message_pb2.ListMessagesResponse, timeout=0.01
                )
        assert not client._outbox.calls._waiting


async def test_a_call_that_lost_its_answer_is_repeated_where_that_is_harmless(
    gateway: FakeGateway, as_server: Connect
) -> None:
    lost = False

    def lose(frame: session_pb2.ServerFrame) -> list[session_pb2.ServerFrame]:
        nonlocal lost
        if frame.replies and not lost:
            lost = True
            gateway.cut()
            return []
        return [frame]

    gateway.mangle = lose
    async with as_server() as client:
        users = await client.users.ensure(["bob"])
    assert [user.user_id for user in users] == ["bob"]
    assert [call.method for frame in gateway.frames for call in frame.calls] == ["UserService/UpsertUsers"] * 2


async def test_a_call_that_lost_its_answer_is_not_repeated_where_its_caller_says_so(
    gateway: FakeGateway, as_user: Connect
) -> None:
    def lose(_call: session_pb2.Call) -> None:
        gateway.cut()
        raise Refusal(grpc.StatusCode.INTERNAL, error_pb2.ERROR_REASON_INTERNAL)

    gateway.on_call = lose
    gateway.mangle = lambda frame: [] if frame.failures else [frame]
    async with as_user() as client:
        request = channel_pb2.LeaveChannelRequest(channel_id="team")
        with pytest.raises(tertulia.OutcomeUnknown):
            await client.call("ChannelService/LeaveChannel", request, channel_pb2.LeaveChannelResponse, repeat=False)
    assert len([call for frame in gateway.frames for call in frame.calls]) == 1


@pytest.mark.parametrize(
    ("way", "kind", "again"),
    [
        ("leave", channel_pb2.CHANNEL_KIND_GROUP, tertulia.NotFound),
        ("leave", channel_pb2.CHANNEL_KIND_OPEN, tertulia.PermissionDenied),
        ("delete", channel_pb2.CHANNEL_KIND_GROUP, tertulia.NotFound),
    ],
)
async def test_what_was_done_and_lost_its_answer_is_done_though_it_cannot_be_done_twice(
    gateway: FakeGateway,
    as_user: Connect,
    way: str,
    kind: channel_pb2.ChannelKind.ValueType,
    again: type[tertulia.Refused],
) -> None:
    gateway.channel("team", "alice").kind = kind
    lost = False

    def lose(frame: session_pb2.ServerFrame) -> list[session_pb2.ServerFrame]:
        nonlocal lost
        if frame.replies and not lost:
            lost = True
            gateway.cut()
            return []
        return [frame]

    gateway.mangle = lose
    async with as_user() as client:
        await (client.channels.leave("team") if way == "leave" else client.channels.delete("team"))
        assert lost
        with pytest.raises(again):
            await (client.channels.leave("team") if way == "leave" else client.channels.delete("team"))


async def test_a_server_key_acts_for_users(gateway: FakeGateway, as_server: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_server() as client:
        assert client.user_id == ""
        alice = client.acting_for("alice")
        await alice.send("team", "hello")
        assert [mine.channel.channel_id async for mine in alice.channels.mine()] == ["team"]
    assert gateway.logs["team"].events[0].sender_user_id == "alice"


async def test_a_closed_client_leaves_no_task_and_no_session_behind(gateway: FakeGateway, as_user: Connect) -> None:
    before = asyncio.all_tasks()
    async with as_user():
        pass
    await until(lambda: not gateway.connections, "the server has no session")
    ours = {task.get_name() for task in asyncio.all_tasks() - before}
    assert not {name for name in ours if name.startswith("tertulia")}


async def test_an_error_in_the_body_comes_out_as_it_is(as_user: Connect) -> None:
    with pytest.raises(ZeroDivisionError):
        async with as_user():
            raise ZeroDivisionError


@pytest.mark.parametrize("arguments", [{}, {"token": "a", "token_provider": lambda: None}])
def test_connect_wants_a_token_or_a_provider(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="token"):
        tertulia.connect(**arguments)  # type: ignore[arg-type] # wrong on purpose


@pytest.mark.parametrize("address", ["http://127.0.0.1:7480", "https://chat.example", "localhost:port", "localhost:"])
def test_connect_wants_the_address_of_a_gateway(address: str) -> None:
    with pytest.raises(ValueError, match="give"):
        tertulia.connect(address, token="a")  # noqa: S106 - of nobody


def _refuse(refusal: Refusal) -> Callable[[str], None]:
    def refuse(_token: str) -> None:
        raise refusal

    return refuse


async def _until_online_again(client: tertulia.Client) -> None:
    seen: list[tertulia.ConnectionState] = []
    while seen[-1:] != [tertulia.ConnectionState.ONLINE] or tertulia.ConnectionState.CONNECTING not in seen:
        seen.append((await next_event(client, tertulia.ConnectionChanged)).state)
