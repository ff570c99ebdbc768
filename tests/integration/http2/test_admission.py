"""How many connections there may be: in all, of one address, and of those on which nobody has said yet who they are. One that has not shaken
hands yet counts as any other."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from socket import AF_INET6

import pytest
from prometheus_client import CollectorRegistry

from libs.http2.admission import address_of
from libs.http2.limits import Limits
from libs.rpc.certificates import Certificates
from tests.integration.http2.echo import LIMITS, Handlers, echoing, unix_address
from tests.integration.http2.raw import Closed, Peer, peer
from tests.support.authority import Authority
from tests.support.ports import until

HERE, THERE, ELSEWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def figure(registry: CollectorRegistry, name: str, labels: Mapping[str, str] | None = None) -> float | None:
    return registry.get_sample_value(f"tertulia_connections{name}", dict(labels or {}))


async def all_gone(registry: CollectorRegistry) -> None:
    await until(lambda: figure(registry, "") == 0, "all have gone")


async def refused(address: str, source: str = HERE) -> bool:
    """Whether a newcomer is hung up on at once."""
    try:
        async with peer(address, source=source):
            return False
    except Closed:
        return True


async def test_an_address_has_so_many_connections_and_no_more(handlers: Handlers, registry: CollectorRegistry) -> None:
    async with echoing(handlers, LIMITS._replace(max_connections_per_address=2), registry=registry) as address:
        async with peer(address) as first, peer(address):
            assert await refused(address)
            assert not await refused(address, THERE), "others have their own"
            assert await first.answers(1)
        await all_gone(registry)
        assert not await refused(address)
    assert figure(registry, "_refused_total", {"limit": "address"}) == 1


async def test_behind_a_unix_socket_there_is_no_address_to_count_by(handlers: Handlers, tmp_path: Path) -> None:
    limits = LIMITS._replace(max_connections_per_address=1)
    async with echoing(handlers, limits, unix_address(tmp_path)) as address, AsyncExitStack() as opened:
        for _ in range(3):
            client = await opened.enter_async_context(peer(address))
            assert await client.answers(1)


def test_of_ipv6_whoever_has_a_network_has_one_address() -> None:
    one, other, elsewhere = ("2001:db8:0:1::1", 5, 0, 0), ("2001:db8:0:1:ff::2", 6, 0, 0), ("2001:db8:0:2::1", 5, 0, 0)
    assert address_of(AF_INET6, one) == address_of(AF_INET6, other) != address_of(AF_INET6, elsewhere)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (LIMITS._replace(max_connections=2), "process"),
        (LIMITS._replace(max_connections_per_address=2), "address"),
        (LIMITS._replace(max_unauthenticated=2), "unauthenticated"),
    ],
    ids=["process", "address", "unauthenticated"],
)
async def test_one_that_has_not_shaken_hands_counts(
    handlers: Handlers, registry: CollectorRegistry, tmp_path: Path, limits: Limits, limit: str
) -> None:
    tls = Tls(tmp_path)
    async with echoing(handlers, limits, tls=tls.server, registry=registry) as address:
        async with peer(address, greet=False), peer(address, greet=False):
            await until(lambda: figure(registry, "") == 2, "both have come")
            async with peer(address, greet=False) as third:
                assert await third.until_end_of_bytes() == b""
        assert figure(registry, "_refused_total", {"limit": limit}) == 1
        await all_gone(registry)
        async with peer(address, tls=tls.client) as client:
            assert await client.answers(1)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (LIMITS._replace(max_unauthenticated=3), "unauthenticated"),
        (LIMITS._replace(max_connections=3, max_unauthenticated=9), "process"),
    ],
    ids=["unauthenticated", "process"],
)
async def test_who_says_nothing_is_hung_up_on_in_its_handshake_so_that_others_can_come(
    handlers: Handlers, registry: CollectorRegistry, tmp_path: Path, limits: Limits, limit: str
) -> None:
    tls = Tls(tmp_path)
    async with echoing(handlers, limits, tls=tls.server, registry=registry) as address, crowd(address, 3) as silent:
        async with peer(address, tls=tls.client) as newcomer:
            assert await newcomer.answers(1)
            assert await silent[0].until_end_of_bytes() == b"", "the oldest had to go"
            assert figure(registry, "_unauthenticated") == 3
        assert figure(registry, "_refused_total", {"limit": limit}) == 1


@asynccontextmanager
async def crowd(address: str, size: int) -> AsyncIterator[list[Peer]]:
    """Connections from one address that say nothing."""
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(peer(address, greet=False, source=THERE)) for _ in range(size)]


async def test_of_unknown_ones_those_go_first_whose_address_has_the_most(handlers: Handlers) -> None:
    limits = LIMITS._replace(max_unauthenticated=4)
    async with (
        echoing(handlers, limits) as address,
        peer(address, source=ELSEWHERE) as oldest,
        peer(address, source=THERE) as first,
        peer(address, source=THERE) as second,
        peer(address, source=THERE) as third,
    ):
        assert await refused(address, THERE), "an address does not take its own places"
        async with peer(address) as newcomer:
            assert await first.until_closed() == -1
            assert await refused(address), "all have nearly as many: who was here first goes on"
            for client in (oldest, second, third, newcomer):
                assert await client.answers(1)


async def test_who_is_known_takes_no_place_of_the_unknown(handlers: Handlers, registry: CollectorRegistry) -> None:
    async with (
        echoing(handlers, LIMITS._replace(max_unauthenticated=1), registry=registry) as address,
        peer(address) as known,
    ):
        assert await refused(address)
        known.call(1, "sign_in", end=True)
        await known.until_ended(1)
        assert (figure(registry, ""), figure(registry, "_unauthenticated")) == (1, 0)
        async with peer(address) as newcomer:
            assert await newcomer.answers(1)
            assert await refused(address)
            assert await known.answers(3)


async def test_when_the_server_stops_nobody_is_left_in_a_handshake(
    handlers: Handlers, registry: CollectorRegistry, tmp_path: Path
) -> None:
    async with AsyncExitStack() as opened:
        async with echoing(
            handlers, LIMITS._replace(greeting_seconds=60), tls=Tls(tmp_path).server, registry=registry
        ) as address:
            client = await opened.enter_async_context(peer(address, greet=False))
            await until(lambda: figure(registry, "") == 1, "it has come")
        assert await client.until_end_of_bytes() == b""


class Tls:
    """Of a server that asks for no certificate, and of its clients."""

    def __init__(self, folder: Path) -> None:
        files = Authority().issue(folder, "server")
        self.server = Certificates(files["service_certificate"], files["service_key"]).listening()
        self.client = ssl.create_default_context(cafile=str(files["service_ca"]))
        self.client.check_hostname = False  # it is reached by its address
