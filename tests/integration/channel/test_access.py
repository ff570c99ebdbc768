"""What gateways ask: keys, authorisations, inboxes."""

import pytest
from tertulia.chat.v1 import channel_pb2, role_pb2, user_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.rpc.client import call
from libs.rpc.errors import NotFound
from services.channel.settings import DEVELOPMENT_SECRET
from tests.integration.channel.parts import Parts
from tests.integration.channel.people import Cast

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-access")]


async def test_the_development_key_has_its_well_known_secret_and_others_are_not_found(parts: Parts) -> None:
    response = await call(parts.access.GetKey, access_pb2.GetKeyRequest(application_id="dev", key_id="dev"))
    assert f"sk.dev.dev.{response.secret.decode()}" == DEVELOPMENT_SECRET
    for application_id, key_id in (("dev", "other"), ("other", "dev"), ("", "")):
        with pytest.raises(NotFound):
            await call(parts.access.GetKey, access_pb2.GetKeyRequest(application_id=application_id, key_id=key_id))


async def test_members_and_the_application_are_authorised_under_the_current_version(cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    answer = await alice.authorize(channel.channel_id)
    assert answer == access_pb2.AuthorizeResponse(
        log_id=channel.log_id,
        policy_version=1,
        role=role_pb2.MEMBER_ROLE_OWNER,
        member_count=2,
        permissions=channel_pb2.ChannelPermissions(send=True, react=True, moderate=True, manage=True, own=True),
    )
    assert (await bob.authorize(channel.channel_id)).role == role_pb2.MEMBER_ROLE_MEMBER
    await alice.remove(channel.channel_id, bob)
    assert (await alice.authorize(channel.channel_id)).policy_version == 2
    answer = await cast.server.authorize(channel.channel_id)
    assert (answer.policy_version, answer.role) == (2, role_pb2.MEMBER_ROLE_UNSPECIFIED)
    with pytest.raises(NotFound):
        await bob.authorize(channel.channel_id)


async def test_opening_an_inbox_makes_the_user_once(cast: Cast) -> None:
    alice = cast.named("alice")
    first = await alice.open_inbox()
    assert len(first.inbox_log_id) == 16
    assert list(first.channels) == []
    assert await alice.open_inbox() == first
    assert (await cast.server.user(alice.user_id)).user_id == alice.user_id
    assert (await cast.named("bob").open_inbox()).inbox_log_id != first.inbox_log_id


async def test_an_opened_inbox_has_all_channels_as_they_are_or_only_the_one_asked_for(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    group, direct = await alice.group(bob), await bob.direct(alice)
    others = await bob.group(carol)
    await parts.say(group.log_id, "one", "two")
    await alice.read_to(group.channel_id, 2)
    opened = {mine.channel.channel_id: mine for mine in (await alice.open_inbox()).channels}
    assert opened == await alice.channels()
    assert opened[group.channel_id].last_message.message.text == "two"
    assert opened[group.channel_id].unread_count == 1
    assert opened[direct.channel_id].peer_user_id == bob.user_id
    [only] = (await alice.open_inbox(direct.channel_id)).channels
    assert only == opened[direct.channel_id]
    for channel_id in (others.channel_id, "no-such-channel"):
        assert list((await alice.open_inbox(channel_id)).channels) == []


async def test_profiles_are_set_where_they_say_so(cast: Cast) -> None:
    alice = cast.named("alice")
    [made] = await alice.upsert(user_pb2.UserProfile(user_id=alice.user_id, name="Alice"))
    assert (made.name, made.avatar_url) == ("Alice", "")
    picture = user_pb2.UserProfile(user_id=alice.user_id, avatar_url="https://example.org/a.png")
    bob = user_pb2.UserProfile(user_id=cast.named("bob").user_id)
    changed, other = await cast.server.upsert(picture, bob)
    assert (changed.name, changed.avatar_url, changed.create_time_ms) == (
        "Alice",
        "https://example.org/a.png",
        made.create_time_ms,
    )
    assert other.user_id == bob.user_id
    assert await alice.user(alice.user_id) == changed
    [emptied] = await alice.upsert(user_pb2.UserProfile(user_id=alice.user_id, name="", avatar_url=""))
    assert (emptied.name, emptied.avatar_url) == ("", "")
