"""What a gateway does while others are down, and when it goes itself. Each test has processes of its own."""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, message_pb2, presence_pb2, session_pb2

from libs.directory.applications import Scope
from libs.directory.sqlite import sqlite_directory
from libs.rpc.status import from_rpc_error
from tests.integration.gateway.cast import Cast
from tests.integration.gateway.client import connection, session
from tests.integration.gateway.processes import APPLICATION, Around, running, token, user_token
from tests.support.api import Api, Refusal, api, bearer
from tests.support.ports import until


async def test_a_send_during_a_restart_of_message_store_is_written_once(tmp_path: Path) -> None:
    async with running(tmp_path) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice", "bob")
        async with cast.online("alice") as alice, cast.online("bob") as bob:
            await alice.acked(await alice.send(room.channel_id, "before"))
            await around.message_store.kill()
            requests = await alice.send_all(room.channel_id, [str(number) for number in range(5)])
            await around.message_store.start()
            seqs = [await alice.acked(request) for request in requests]
            assert seqs == [3, 4, 5, 6, 7]
            await bob.until(lambda: bob.position(room.log_id) == 7, "all of it, on the same session")
            assert bob.texts(room.log_id) == ["before", "0", "1", "2", "3", "4"]


async def test_a_send_that_stays_without_answer_is_said_to_be_unknown_and_may_be_repeated(tmp_path: Path) -> None:
    async with running(tmp_path, send_seconds=1) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice")
        async with cast.online("alice") as alice:
            await around.message_store.freeze()
            failure = await alice.failure(await alice.send(room.channel_id, "hello?", client_id="once"))
            assert failure.reason == error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
            assert failure.code == grpc.StatusCode.UNAVAILABLE.value[0]
            around.message_store.thaw()
            await alice.acked(await alice.send(room.channel_id, "hello?", client_id="once"))
            await alice.until(lambda: alice.texts(room.log_id) == ["hello?"], "it was written once")


async def test_while_channel_is_down_sessions_stay_and_new_ones_are_told_to_come_back(tmp_path: Path) -> None:
    """Then those end whose key was withdrawn meanwhile."""
    async with (
        running(tmp_path, key_cache_seconds=0) as around,
        connection(around.gateway.address) as channel,
        session(channel, token(key_id=Scope.SEND, server=True, exp=time.time() + 1e9)) as withdrawn,
    ):
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice", "bob")
        await withdrawn.hello()
        async with cast.online("alice") as alice:
            await around.channel.kill()
            async with sqlite_directory(tmp_path / "channel.sqlite") as directory:
                await directory.applications.withdraw_key(APPLICATION, Scope.SEND)
            async with session(channel, user_token(cast.id("bob"))) as bob:
                await bob.write(session_pb2.ClientFrame(hello=session_pb2.Hello()))
                error = await bob.until_ended()
                assert error is not None
                assert error.code is grpc.StatusCode.UNAVAILABLE
            assert await alice.acked(await alice.send(room.channel_id, "anyone?")) == 2, "she is known to be a member"
            await around.channel.start()
            await until(lambda: _hears(cast, "bob", room, "anyone?"), "bob comes back and gets what he missed")
            error = await withdrawn.until_ended()
            assert error is not None
            assert error.reason == error_pb2.ERROR_REASON_TOKEN_INVALID
            assert not alice.ended


async def test_guests_read_from_when_the_operator_says_so_until_he_says_otherwise(tmp_path: Path) -> None:
    """The command needs channel's database for itself. What the gateway knew before it believes for the time that is promised."""
    cache_seconds, page = 2.0, message_pb2.ListMessagesRequest(channel_id="plaza")
    async with running(tmp_path, key_cache_seconds=cache_seconds) as around:
        await around.channel.stop()
        secret = await around.channel.command("create-application", "shop")
        await around.channel.command("guests", "shop", "on")
        await around.channel.start()
        async with api(around.gateway.address, secret) as shop:
            guest = bearer(shop.secret.guest_token("visit"))
            await _plaza(shop)

            async def reads() -> bool:  # the gateway finds channel again within a second
                return not isinstance(await shop.attempt(guest, "MessageService/ListMessages", page), Refusal)

            await until(reads, "a guest reads")
            await around.channel.stop()
            await around.channel.command("guests", "shop", "off")
            await around.channel.start()
            off_at = time.monotonic()

            async def refused() -> bool:
                begun = time.monotonic()
                answer = await shop.attempt(guest, "MessageService/ListMessages", page)
                assert isinstance(answer, Refusal) or begun - off_at < cache_seconds
                return isinstance(answer, Refusal) and answer.reason == "GUESTS_NOT_ALLOWED"

            await until(refused, "guests are kept out")


async def _plaza(shop: Api) -> None:
    """An open channel, as soon as the gateway has found channel."""
    request = channel_pb2.CreateChannelRequest(
        channel_id="plaza", kind=channel_pb2.CHANNEL_KIND_OPEN, name="plaza", client_request_id="once"
    )

    async def made() -> bool:
        answer = await shop.attempt(shop.server(), "ChannelService/CreateChannel", request)
        return not isinstance(answer, Refusal)

    await until(made, "the channel")


async def test_a_send_that_cannot_be_authorised_now_takes_those_behind_it_along(tmp_path: Path) -> None:
    async with (
        running(tmp_path, access_cache_seconds=60) as around,
        connection(around.gateway.address) as channel,
    ):
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice", "bob")
        async with cast.server() as server:
            await server.acked(await server.send(room.channel_id, "known", as_user_id=cast.id("bob")))
            await around.channel.kill()
            sends = [
                session_pb2.Send(
                    request_id=100 + number,
                    channel_id=room.channel_id,
                    client_message_id=f"line {number}",
                    message=event_pb2.Message(text=f"line {number}"),
                    as_user_id=cast.id(name),
                )
                for number, name in enumerate(["bob", "alice", "bob"])
            ]
            await server.write(session_pb2.ClientFrame(sends=sends))
            assert await server.acked(100) == 3
            for request in (101, 102):
                assert (await server.failure(request)).code == grpc.StatusCode.UNAVAILABLE.value[0]
            await around.channel.start()

            async def accepted() -> bool:  # the gateway finds channel again within a second
                await server.write(session_pb2.ClientFrame(sends=sends[1:]))
                await server.until(lambda: {101, 102} <= set(server.acks) | set(server.failures), "answers")
                server.failures.clear()
                return {101, 102} <= set(server.acks)

            await until(accepted, "both, sent again")
            assert [server.acks[request].seq for request in (101, 102)] == [4, 5]


async def _hears(cast: Cast, name: str, room: channel_pb2.Channel, text: str) -> bool:
    try:
        async with cast.online(name, {room.log_id: 1}) as opened:
            return opened.texts(room.log_id) == [text]
    except AssertionError:  # the gateway finds a service that restarted within a second
        return False


async def test_what_was_written_while_the_bus_was_down_is_delivered_afterwards(tmp_path: Path) -> None:
    async with running(tmp_path) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice", "bob")
        async with cast.online("alice") as alice, cast.online("bob") as bob:
            await around.nats.kill()
            requests = await alice.send_all(room.channel_id, [str(number) for number in range(5)])
            for request in requests:
                await alice.acked(request)
            await around.nats.start()
            await bob.until(lambda: bob.texts(room.log_id) == ["0", "1", "2", "3", "4"], "all of it, once")


async def test_presence_is_told_again_after_its_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        async with cast.online("alice") as alice:
            await around.presence.kill()
            await around.presence.start()

            async def online() -> bool:
                response = presence_pb2.GetPresenceResponse()
                request = presence_pb2.GetPresenceRequest(user_ids=[cast.id("alice")])
                failure = await alice.call("PresenceService/GetPresence", request, response)
                return failure is None and response.presences[0].online

            await until(online, "alice is known to be here")


async def test_a_drain_answers_what_was_asked_says_goodbye_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path, goodbye_seconds=0.5) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice", "bob")
        async with cast.online("alice") as alice, cast.online("bob") as bob:
            requests = await alice.send_all(room.channel_id, ["on the way out"] * 100)
            await alice.acked(requests[0])
            stopping = asyncio.create_task(around.gateway.stop())
            for person in (alice, bob):
                assert await person.until_ended() is None
                assert person.goodbye is not None
                assert (person.goodbye.code, person.goodbye.reconnect) == (session_pb2.GOODBYE_CODE_DRAIN, True)
            answered = set(alice.acks) | set(alice.failures)
            assert set(requests) <= answered, "what the gateway had read was answered"
        assert await stopping == 0


async def test_a_drain_tells_balancers_before_it_tells_clients(tmp_path: Path) -> None:
    async with (
        running(tmp_path, goodbye_seconds=4) as around,
        connection(around.gateway.address) as channel,
        AsyncExitStack() as online,
    ):
        cast = Cast(channel, secrets.token_hex(4))
        await cast.group("room", "alice")
        sessions = [await online.enter_async_context(cast.online("alice")) for _ in range(10)]
        watching: grpc.aio.UnaryStreamMultiCallable[bytes, health_pb2.HealthCheckResponse] = channel.unary_stream(
            "/grpc.health.v1.Health/Watch", response_deserializer=health_pb2.HealthCheckResponse.FromString
        )
        watch = watching(b"")
        health = aiter(watch)
        assert (await anext(health)).status == health_pb2.HealthCheckResponse.SERVING
        stopping = asyncio.create_task(around.gateway.stop())
        assert (await anext(health)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        assert not all(session.goodbye for session in sessions)
        for session in sessions:
            assert await session.until_ended() is None
        assert await stopping == 0


async def test_a_client_that_reads_nothing_is_cut_and_told_to_come_back(tmp_path: Path) -> None:
    async with (
        running(tmp_path, stall_seconds=0.5) as around,
        connection(around.gateway.address) as channel,
        connection(around.gateway.address) as slow_channel,
    ):
        cast = Cast(channel, secrets.token_hex(4))
        slow = Cast(slow_channel, cast.id("")[1:])
        room = await cast.group("room", "alice", "bob")
        async with cast.online("alice") as alice, slow.online("bob") as bob:
            bob.stop_reading()

            async def cut() -> bool:  # the client's own gRPC takes some megabytes before its stream is full
                for request in await alice.send_all(room.channel_id, ["x" * 9_000] * 25):
                    await alice.acked(request)
                return await around.figure("stalls_total") == 1

            await until(cut, "the stalled session is cut", 60)
            await until(lambda: _one_session(around), "only alice is left")
            bob.read_on()
            error = await bob.until_ended()
            assert error is not None
            assert error.code is grpc.StatusCode.UNAVAILABLE
            assert await alice.acked(await alice.send(room.channel_id, "still here"))


async def _one_session(around: Around) -> bool:
    return await around.figure("sessions") == 1


async def test_history_answers_unavailable_while_message_store_is_down(tmp_path: Path) -> None:
    async with running(tmp_path) as around, connection(around.gateway.address) as channel:
        cast = Cast(channel, secrets.token_hex(4))
        room = await cast.group("room", "alice")
        await around.message_store.kill()
        request = message_pb2.ListMessagesRequest(channel_id=room.channel_id)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await cast.messages.ListMessages(request, metadata=cast.as_user("alice"))
        assert from_rpc_error(error.value).code is grpc.StatusCode.UNAVAILABLE
        await around.message_store.start()

        async def answered() -> bool:  # the gateway finds it again within a second
            try:
                response = await cast.messages.ListMessages(request, metadata=cast.as_user("alice"))
            except grpc.aio.AioRpcError:
                return False
            return response.head_seq == 1

        await until(answered, "history")
