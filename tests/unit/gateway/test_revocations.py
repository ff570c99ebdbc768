"""Tokens that were taken back are refused, whether the gateway hears of it, or was deaf just then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tertulia.chat.v1 import error_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.channel.v1 import access_pb2_grpc

from libs.bus.subjects import REVOCATIONS
from libs.rpc.caller import Caller
from libs.rpc.errors import Unauthenticated
from libs.runtime.process import running
from services.gateway.identity import Identity
from services.gateway.revocations import Revocations
from services.gateway.stats import Stats
from tests.support.ports import until
from tests.unit.gateway.peers import Peers, serving
from tests.unit.gateway.world import MemoryBus

NOW = 1_700_000_000
SECONDS = 60


def identity(user_id: str = "alice", issued_at: float = NOW, session_id: str = "") -> Identity:
    return Identity(Caller("app", user_id, server=not user_id), NOW + 900, issued_at, session_id)


def revocation(user_id: str = "alice", at: float = NOW + 1, session_id: str = "") -> bytes:
    return signal_pb2.TokensRevoked(
        application_id="app", user_id=user_id, session_id=session_id, issued_before_ms=int(at * 1_000)
    ).SerializeToString()


class Listener:
    """Revocations that listen, of a gateway that has some sessions open."""

    def __init__(self, revocations: Revocations, bus: MemoryBus, peers: Peers, stats: Stats) -> None:
        self.revocations = revocations
        self.bus = bus
        self.peers = peers
        self.stats = stats
        self.open: list[Identity] = []

    def refuses(self, identity: Identity) -> bool:
        try:
            self.revocations.refuse(identity)
        except Unauthenticated as refusal:
            return refusal.reason == error_pb2.ERROR_REASON_TOKEN_REVOKED
        return False


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    async with _listening(tmp_path) as made:
        yield made


@asynccontextmanager
async def _listening(folder: Path) -> AsyncIterator[Listener]:
    peers, bus, stats = Peers(), MemoryBus(), Stats()
    async with serving(peers, folder) as channel:
        made = Listener(Revocations(access_pb2_grpc.AccessServiceStub(channel), bus, SECONDS, stats), bus, peers, stats)
        async with running(made.revocations.run(lambda: made.open)):
            await asyncio.sleep(0)  # it subscribes
            yield made


async def test_of_a_user_all_tokens_from_before_are_refused(listener: Listener) -> None:
    listener.bus.ring(REVOCATIONS, revocation())
    assert listener.refuses(identity())
    assert listener.refuses(identity(session_id="phone"))
    assert listener.refuses(identity(issued_at=0)), "who does not say when it was made is no exception"
    assert not listener.refuses(identity(issued_at=NOW + 1))
    assert not listener.refuses(identity("bob"))
    assert not listener.refuses(Identity(Caller("another", "alice", server=False), NOW + 900, NOW))
    assert listener.revocations.news() == {("app", "alice")}
    assert listener.revocations.news() == set()


async def test_of_one_session_only_its_own_tokens_are_refused(listener: Listener) -> None:
    listener.bus.ring(REVOCATIONS, revocation(session_id="phone"))
    assert listener.refuses(identity(session_id="phone"))
    assert not listener.refuses(identity(session_id="desk"))
    assert not listener.refuses(identity())


async def test_an_earlier_time_takes_nothing_back(listener: Listener) -> None:
    listener.bus.ring(REVOCATIONS, revocation(at=NOW + 10))
    listener.bus.ring(REVOCATIONS, revocation(at=NOW - 10))
    assert listener.refuses(identity(issued_at=NOW + 5))


async def test_what_was_revoked_before_is_asked_of_channel(listener: Listener) -> None:
    listener.peers.revoked_before_ms["alice"] = (NOW + 1) * 1_000
    await listener.revocations.ask([identity(session_id="phone"), identity("bob"), identity("")])
    assert listener.peers.holders_asked == [[("alice", "phone"), ("bob", "")]], "a server key's token is no user's"
    assert listener.refuses(identity(session_id="phone"))
    assert not listener.refuses(identity("bob"))


async def test_what_was_missed_while_the_bus_was_away_is_asked_for(listener: Listener) -> None:
    listener.open = [identity(f"user-{number}") for number in range(1_001)]
    listener.peers.revoked_before_ms["user-1000"] = (NOW + 1) * 1_000
    listener.bus.disturb()
    await until(lambda: listener.refuses(identity("user-1000")), "what was missed is known")
    assert [len(holders) for holders in listener.peers.holders_asked] == [1_000, 1]
    assert listener.revocations.news() == {("app", "user-1000")}


async def test_what_cannot_be_read_is_counted(listener: Listener) -> None:
    listener.bus.ring(REVOCATIONS, b"\xff\xff")
    assert listener.stats.bad_signals == 1
