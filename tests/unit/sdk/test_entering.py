"""Before the first connection: addresses, and clients that nobody entered."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import tertulia
from tertulia.addresses import AddressInvalid, listed, with_port

from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("chat.example.com", "chat.example.com:7420"),
        ("10.0.0.1", "10.0.0.1:7420"),
        ("[::1]", "[::1]:7420"),
        ("::1", "[::1]:7420"),
        ("chat.example.com:443", "chat.example.com:443"),
        ("[::1]:443", "[::1]:443"),
        ("unix:/run/tertulia.sock", "unix:/run/tertulia.sock"),
        ("dns:///chat.example.com", "dns:///chat.example.com"),
    ],
)
def test_an_address_without_a_port_is_at_the_default_one(given: str, meant: str) -> None:
    assert with_port(given) == meant


def test_several_addresses_are_separated_by_commas_or_given_one_by_one() -> None:
    assert listed("a:1, b,") == listed(["a:1", "b"]) == ["a:1", "b:7420"]


@pytest.mark.parametrize("given", [",", "", "10.0.0.1:65536", "a:1,chat.example.com:99999"])
def test_what_nobody_can_listen_on_is_no_address(given: str) -> None:
    with pytest.raises(AddressInvalid):
        listed(given)


async def _first_event(client: tertulia.Client) -> None:
    async for _ in client.events():
        return


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.send("team", "hi"),
        lambda client: client.channels.get("team"),
        lambda client: client.acting_for("bob").send("team", "hi"),
        _first_event,
    ],
    ids=["send", "call", "actor", "events"],
)
async def test_a_client_that_was_not_entered_says_so_at_once(
    gateway: FakeGateway, as_user: Connect, use: Callable[[tertulia.Client], Awaitable[object]]
) -> None:
    gateway.channel("team", "alice")
    client = as_user()
    async with asyncio.timeout(2):
        with pytest.raises(tertulia.ClientClosed, match="async with"):
            await use(client)
    async with client:
        assert (await client.send("team", "hi")).seq == 1
