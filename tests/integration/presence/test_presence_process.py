"""The presence service as a process, with a real NATS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.bus import Bus
from libs.bus.nats import nats_bus
from libs.bus.subjects import log_subject, presence_subject
from libs.rpc.client import call, open_channel
from libs.rpc.errors import InvalidArgument
from tests.support.nats import nats_server
from tests.support.service import ServiceProcess

LOG_ID = bytes(range(16))
SECONDS = 10.0


class Presence:
    """A presence process, and what talks to it."""

    def __init__(self, process: ServiceProcess, bus: Bus, channel: grpc.aio.Channel) -> None:
        self.process = process
        self.bus = bus
        self.stub = presence_pb2_grpc.PresenceServiceStub(channel)

    async def report(self, sequence: int, *, full: bool = False, online: str = "", offline: str = "") -> bool:
        """Tell as the one gateway; whether it was taken in."""
        request = presence_pb2.ReportRequest(
            gateway_incarnation="gateway",
            sequence=sequence,
            full=full,
            online=[presence_pb2.UserKey(application_id="app", user_id=user) for user in online.split()],
            offline=[presence_pb2.UserKey(application_id="app", user_id=user) for user in offline.split()],
        )
        response = await call(self.stub.Report, request)
        assert response.lease_ms == 2_000
        return not response.full_needed

    async def online(self, *users: str) -> list[bool]:
        request = presence_pb2.GetPresenceRequest(application_id="app", user_ids=users)
        response = await call(self.stub.GetPresence, request)
        assert [presence.user_id for presence in response.presences] == list(users)
        return [presence.online for presence in response.presences]

    async def hear(self, subject: str) -> "asyncio.Queue[bytes]":
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await self.bus.subscribe(subject, heard.put_nowait)
        await self.bus.flush()
        return heard


@asynccontextmanager
async def running_presence(directory: Path) -> AsyncIterator[Presence]:
    address = f"unix:{directory}/presence.sock"
    async with (
        nats_server() as nats,
        nats_bus(nats.address, "test", CollectorRegistry()) as bus,
        open_channel(address) as channel,
    ):
        process = ServiceProcess(
            "presence",
            address,
            channel,
            directory / "log",
            bus_address=nats.address,
            grace_seconds=0.3,
            lease_seconds=2,
        )
        await process.start()
        try:
            yield Presence(process, bus, channel)
        finally:
            await process.kill()


@pytest.fixture
async def presence(tmp_path: Path) -> AsyncIterator[Presence]:
    async with running_presence(tmp_path) as presence:
        yield presence


async def next_presence(heard: "asyncio.Queue[bytes]") -> session_pb2.Presence:
    async with asyncio.timeout(SECONDS):
        return signal_pb2.PresenceSignal.FromString(await heard.get()).presence


async def test_coming_and_going_is_announced_once_each_and_a_reconnect_not_at_all(presence: Presence) -> None:
    heard = await presence.hear(presence_subject("app", "alice"))
    assert await presence.report(1, full=True, online="alice bob")
    came = await next_presence(heard)
    assert (came.user_id, came.online, came.last_seen_time_ms) == ("alice", True, 0)
    assert await presence.online("alice", "bob", "carol") == [True, True, False]

    assert await presence.report(2, offline="alice")
    assert await presence.report(3, online="alice")  # within the grace
    assert await presence.report(4, offline="alice")
    left = await next_presence(heard)
    assert not left.online
    assert left.last_seen_time_ms > 0
    assert await presence.online("alice", "bob") == [False, True]
    assert heard.empty()


async def test_when_a_gateway_falls_silent_its_users_go_offline(presence: Presence) -> None:
    heard = await presence.hear(presence_subject("app", "alice"))
    await presence.report(1, full=True, online="alice")
    assert (await next_presence(heard)).online
    assert not (await next_presence(heard)).online
    assert not await presence.report(2), "the lease is over: the state must be told in full"


async def test_a_restart_announces_nobody_offline_and_asks_for_everybody(presence: Presence) -> None:
    heard = await presence.hear(presence_subject("app", "alice"))
    await presence.report(1, full=True, online="alice")
    assert (await next_presence(heard)).online
    await presence.process.kill()
    await presence.process.start()
    assert not await presence.report(2)
    assert await presence.report(3, full=True, online="alice")
    assert (await next_presence(heard)).online, "nothing was heard between the two"
    assert await presence.online("alice") == [True]


async def test_typing_is_passed_on_to_the_channel_except_to_the_typist(presence: Presence) -> None:
    heard = await presence.hear(log_subject(LOG_ID))
    request = presence_pb2.AnnounceTypingRequest(
        signals=[
            presence_pb2.TypingSignal(log_id=LOG_ID, user_id="alice", active=True),
            presence_pb2.TypingSignal(log_id=bytes(16), user_id="alice", active=True),
            presence_pb2.TypingSignal(log_id=LOG_ID, user_id="alice", active=False),
        ]
    )
    await call(presence.stub.AnnounceTyping, request)
    for active in (True, False):
        async with asyncio.timeout(SECONDS):
            notice = signal_pb2.LogSignal.FromString(await heard.get()).notice
        assert notice.except_user_id == "alice"
        assert session_pb2.ServerFrame.FromString(notice.frame) == session_pb2.ServerFrame(
            notices=[
                session_pb2.Notice(typing=session_pb2.TypingChanged(log_id=LOG_ID, user_id="alice", active=active))
            ]
        )


async def test_requests_beyond_their_limits_are_refused(presence: Presence) -> None:
    with pytest.raises(InvalidArgument, match="user_ids"):
        await presence.online(*(f"user-{number}" for number in range(1_001)))
    typing = presence_pb2.TypingSignal(log_id=b"short", user_id="alice", active=True)
    with pytest.raises(InvalidArgument, match="log_id"):
        await call(presence.stub.AnnounceTyping, presence_pb2.AnnounceTypingRequest(signals=[typing]))
    with pytest.raises(InvalidArgument, match="gateway_incarnation"):
        await call(presence.stub.Report, presence_pb2.ReportRequest(sequence=1, full=True))


async def test_it_stops_cleanly_when_told(presence: Presence) -> None:
    assert await presence.process.stop() == 0
    await presence.process.start()
