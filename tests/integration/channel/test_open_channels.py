"""Channels that anybody may find and join."""

import pytest
from google.protobuf.message_factory import GetMessageClass
from tertulia.chat.v1 import channel_pb2, role_pb2

from libs.rpc.caller import Caller
from libs.rpc.client import call
from libs.rpc.errors import TertuliaError
from services.gateway.methods import PASSED_ON, methods_of
from tests.integration.channel.parts import APPLICATION, Parts, reason
from tests.integration.channel.people import BROADCAST, OPEN, Cast, Person

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-open-channels")]


async def listed(person: Person, prefix: str, size: int = 0) -> list[str]:
    """The names in all pages of a listing."""
    names: list[str] = []
    token = ""
    while True:
        page = await person.open_channels(prefix, size, token)
        names += [channel.name for channel in page.channels]
        token = page.next_page_token
        if not token:
            return names


async def test_anybody_finds_and_joins_an_open_channel_once(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await cast.open_channel("lobby", alice)
    assert channel.kind == OPEN
    assert await bob.get(channel.channel_id) == channel
    joined = await bob.join(channel.channel_id)
    assert (joined.member_count, joined.policy_version) == (2, 2)
    assert (await bob.members(channel.channel_id))[bob.user_id].role == role_pb2.MEMBER_ROLE_MEMBER
    [entry] = await bob.inbox()
    assert entry.channel_joined.joined_seq == 2
    assert await bob.join(channel.channel_id) == joined, "joining again changes nothing"
    assert len(await parts.events(channel.log_id)) == 2
    await bob.leave(channel.channel_id)
    assert (await bob.join(channel.channel_id)).policy_version == 4


async def test_who_has_not_joined_is_told_so(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await cast.open_channel("lobby", alice)
    for attempt in (
        bob.authorize(channel.channel_id),
        bob.members(channel.channel_id),
        bob.add(channel.channel_id, bob),
        bob.remove(channel.channel_id, alice),
        bob.update(channel.channel_id, name="x"),
        bob.delete(channel.channel_id),
        bob.prefer(channel.channel_id, muted=True),
    ):
        with pytest.raises(TertuliaError) as refusal:
            await attempt
        assert reason(refusal.value) == "PERMISSION_DENIED NOT_JOINED"
    for unknown in (
        bob.leave(channel.channel_id),
        bob.read_to(channel.channel_id, 1),
        bob.delivered_to(channel.channel_id, 1),
    ):
        with pytest.raises(TertuliaError) as refusal:
            await unknown
        assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"


async def test_open_channels_are_listed_in_order_of_their_names_and_found_by_how_these_begin(cast: Cast) -> None:
    [alice] = await cast.users("alice")
    mark = cast.channel_id("z")  # no other test's names begin so
    names = [f"{mark} {name}" for name in ("Émile", "beta", "Alpha", "alphabet", "gamma")]
    for number, name in enumerate(names):
        await cast.server.create(
            channel_pb2.CreateChannelRequest(kind=OPEN, channel_id=cast.channel_id(f"open-{number}"), name=name)
        )
    await alice.group(name=f"{mark} a group")
    expected = sorted(names, key=str.casefold)
    assert await listed(alice, mark) == expected
    assert await listed(alice, mark.upper(), size=2) == expected
    assert await listed(cast.server, f"{mark} ALPHA") == expected[:2]
    assert await listed(alice, f"{mark} émi") == expected[-1:]
    assert await listed(alice, f"{mark} alphabeta") == []


async def test_a_list_has_a_channel_under_its_name_of_now_until_it_is_deleted(cast: Cast) -> None:
    [alice] = await cast.users("alice")
    mark = cast.channel_id("y")
    channel = await cast.open_channel(f"{mark}", alice)
    for name in (f"{mark} two", f"{mark} TWO", f"{mark} one", f"{mark} two"):
        await alice.update(channel.channel_id, name=name)
        assert await listed(alice, mark) == [name]
    await alice.delete(channel.channel_id)
    assert await listed(alice, mark) == []


async def test_a_page_token_is_good_for_its_own_search_only(cast: Cast) -> None:
    [alice, bob] = await cast.users("alice", "bob")
    await cast.open_channel("a1", alice)
    await cast.open_channel("a2", alice)
    token = (await alice.open_channels("a", 1)).next_page_token
    assert token
    for attempt in (alice.open_channels("", 1, token), bob.open_channels("a", 1, token), alice.search("a", 1, token)):
        with pytest.raises(TertuliaError) as refusal:
            await attempt
        assert reason(refusal.value) == "INVALID_ARGUMENT PAGE_TOKEN_INVALID"


async def test_guests_see_open_channels_until_they_are_deleted(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    guest = Person(parts, guest="visit")
    mark = cast.channel_id("x")  # no other test's names begin so
    lobby = await cast.open_channel(mark, alice)
    assert await guest.get(lobby.channel_id) == lobby
    assert await guest.open_log(lobby.channel_id) == lobby.log_id
    assert await listed(guest, mark) == [mark]
    elsewhere = Person(parts, application_id="other", guest="visit")
    hidden = [
        (guest, (await cast.open_channel("news", alice, kind=BROADCAST)).channel_id),
        (guest, (await alice.group(bob)).channel_id),
        (guest, (await alice.direct(bob)).channel_id),
        (guest, "nowhere"),
        (elsewhere, lobby.channel_id),
    ]
    await alice.delete(lobby.channel_id)
    assert await listed(guest, mark) == []
    for person, channel_id in (*hidden, (guest, lobby.channel_id)):
        for attempt in (person.get(channel_id), person.open_log(channel_id)):
            with pytest.raises(TertuliaError) as refusal:
                await attempt
            assert reason(refusal.value) == "NOT_FOUND CHANNEL_NOT_FOUND"


async def test_guests_call_nothing_else_here(parts: Parts) -> None:
    """Every method that gateways pass on. The requests are empty: who calls is looked at first."""
    guest = Caller(APPLICATION, "", server=False, guest="visit")
    stubs = {"ChannelService": parts.channels, "UserService": parts.users}
    refused = set()
    for method in methods_of(PASSED_ON):
        request = GetMessageClass(method.input_type)()
        try:
            await call(getattr(stubs[method.containing_service.name], method.name), request, caller=guest)
        except TertuliaError as error:
            if reason(error) == "PERMISSION_DENIED GUEST_READ_ONLY":
                refused.add(method.name)
    everything = {method.name for method in methods_of(PASSED_ON)}
    assert everything - refused == {"GetChannel", "ListOpenChannels"}
