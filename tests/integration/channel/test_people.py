"""Lists of users, searches, and what a block does."""

import asyncio

import pytest
from tertulia.chat.v1 import event_pb2, user_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.client import call
from libs.rpc.errors import TertuliaError
from tests.integration.channel.parts import APPLICATION, Parts, reason
from tests.integration.channel.people import Cast, Person, ids

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-people")]

BLOCKED = "PERMISSION_DENIED BLOCKED"


async def found(person: Person, prefix: str, size: int = 0) -> list[str]:
    """The names in all pages of a search."""
    names: list[str] = []
    token = ""
    while True:
        page = await person.search(prefix, size, token)
        names += [user.name for user in page.users]
        token = page.next_page_token
        if not token:
            return names


async def test_a_server_key_lists_all_users_in_order_of_their_ids(cast: Cast) -> None:
    people = await cast.users("carol", "alice", "bob")
    opened = cast.named("dave")
    await opened.open_inbox()
    expected = sorted(ids([*people, opened]))
    everybody: list[str] = []
    token = ""
    while True:
        page = await cast.server.users(2, token)
        everybody += [user.user_id for user in page.users]
        token = page.next_page_token
        if not token:
            break
    assert everybody == sorted(everybody)
    assert [user_id for user_id in everybody if user_id in expected] == expected
    with pytest.raises(TertuliaError) as refusal:
        await opened.users()
    assert reason(refusal.value) == "PERMISSION_DENIED SERVER_KEY_REQUIRED"


async def test_users_are_found_by_how_their_names_begin_whatever_the_case(cast: Cast) -> None:
    people = await cast.users("a", "b", "c", "d")
    mark = cast.channel_id("q")
    names = [f"{mark} {name}" for name in ("Émile", "anna", "Anne", "Bob")]
    profiles = [user_pb2.UserProfile(user_id=p.user_id, name=n) for p, n in zip(people, names, strict=True)]
    await cast.server.upsert(*profiles)
    expected = sorted(names, key=str.casefold)
    for somebody in (people[0], cast.server):
        assert await found(somebody, mark) == expected
        assert await found(somebody, mark, size=1) == expected
        assert await found(somebody, f"{mark} ANN") == expected[:2]
        assert await found(somebody, f"{mark} annex") == []


async def test_who_has_another_name_is_found_under_that_one_only(cast: Cast) -> None:
    [alice] = await cast.users("alice")
    mark = cast.channel_id("r")
    for name in (f"{mark} one", f"{mark} two", f"{mark} TWO", f"{mark} one"):
        await alice.upsert(user_pb2.UserProfile(user_id=alice.user_id, name=name))
        assert await found(alice, mark) == [name]
    await alice.upsert(user_pb2.UserProfile(user_id=alice.user_id, name=""))
    assert await found(alice, mark) == []


async def test_one_user_that_is_changed_by_many_at_once_is_found_under_its_last_name(cast: Cast) -> None:
    [alice] = await cast.users("alice")
    mark = cast.channel_id("s")
    await asyncio.gather(
        *(
            cast.server.upsert(user_pb2.UserProfile(user_id=alice.user_id, name=f"{mark} {number}"))
            for number in range(5)
        )
    )
    assert await found(alice, mark) == [(await alice.user(alice.user_id)).name]


async def test_a_block_is_listed_until_it_is_taken_back_and_a_repetition_changes_nothing(cast: Cast) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    for other in (carol, bob, carol):
        await alice.block(other)
    assert [user.user_id for user in (await alice.blocked()).users] == ids([bob, carol])
    page = await alice.blocked(1)
    assert [user.user_id for user in page.users] == ids([bob])
    assert [user.user_id for user in (await alice.blocked(1, page.next_page_token)).users] == ids([carol])
    assert list((await bob.blocked()).users) == []
    await alice.unblock(carol)
    await alice.unblock(carol)
    assert [user.user_id for user in (await alice.blocked()).users] == ids([bob])


async def who_blocked(parts: Parts, user: Person, *by: Person) -> set[str]:
    request = access_pb2.WhoBlockedRequest(application_id=APPLICATION, user_id=user.user_id, by_user_ids=ids(by))
    return set((await call(parts.access.WhoBlocked, request)).by_user_ids)


async def test_gateways_learn_who_of_some_has_blocked_somebody(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    await alice.block(bob)
    await carol.block(bob)
    await carol.unblock(bob)
    assert await who_blocked(parts, bob, alice, carol, bob) == {alice.user_id}
    assert await who_blocked(parts, alice, bob, carol) == set()


async def test_a_block_silences_both_in_their_direct_channel_from_one_event_to_another(
    cast: Cast, parts: Parts
) -> None:
    alice, bob = await cast.users("alice", "bob")
    direct = await alice.direct(bob)
    await parts.say(direct.log_id, "hello")
    await alice.block(bob)
    await alice.block(bob)
    for person in (alice, bob):
        grant = await person.authorize(direct.channel_id)
        assert (grant.policy_version, grant.permissions.send, grant.permissions.react, grant.blocked) == (
            2,
            False,
            False,
            True,
        )
        mine = (await person.channels())[direct.channel_id]
        assert not mine.permissions.send
    await bob.block(alice)
    await alice.unblock(bob)
    assert (await alice.authorize(direct.channel_id)).blocked, "bob has blocked alice"
    await bob.unblock(alice)
    grant = await alice.authorize(direct.channel_id)
    assert (grant.policy_version, grant.permissions.send, grant.blocked) == (5, True, False)
    changes = [event for event in await parts.events(direct.log_id) if event.HasField("channel_changed")]
    assert [event.channel_changed for event in changes] == [
        event_pb2.ChannelChanged(policy_version=version) for version in (2, 3, 4, 5)
    ]
    assert [event.sender_user_id for event in changes] == ids([alice, bob, alice, bob])


async def test_where_there_is_a_block_no_direct_channel_is_made_and_an_old_one_is_still_found(cast: Cast) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    direct = await alice.direct(carol)
    await alice.block(bob)
    await alice.block(carol)
    for one, other in ((alice, bob), (bob, alice), (cast.named("bob", server=True), alice)):
        with pytest.raises(TertuliaError) as refusal:
            await one.direct(other)
        assert reason(refusal.value) == BLOCKED
    assert (await carol.direct(alice)).channel_id == direct.channel_id
    await alice.unblock(bob)
    await bob.direct(alice)


async def test_a_block_while_the_direct_channel_is_made_is_not_missed(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")

    async def make() -> None:
        try:
            await bob.direct(alice)
        except TertuliaError as refusal:
            assert reason(refusal) == BLOCKED  # noqa: PT017 - either may be first

    await asyncio.gather(make(), alice.block(bob))
    for mine in (await bob.channels()).values():
        assert not mine.permissions.send
    assert [user.user_id for user in (await alice.blocked()).users] == ids([bob])


async def test_the_blocked_do_not_add_who_blocked_them_but_server_keys_do(cast: Cast) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    await alice.block(bob)
    group = await bob.group(carol)
    for attempt in (bob.add(group.channel_id, carol, alice), bob.group(alice)):
        with pytest.raises(TertuliaError) as refusal:
            await attempt
        assert reason(refusal.value) == BLOCKED
    assert (await bob.get(group.channel_id)).member_count == 2
    await cast.named("bob", server=True).add(group.channel_id, alice)
    assert (await alice.authorize(group.channel_id)).permissions.send, "in other channels both go on as before"
    await alice.group(bob)
