"""What the client knows of its channels: current from the stream, and equal to what a fresh client is told."""

import grpc
import pytest
import tertulia
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, role_pb2, session_pb2

from tests.support.ports import until
from tests.unit.sdk.conftest import Connect
from tests.unit.sdk.fake_gateway import FakeGateway
from tests.unit.sdk.fake_log import Refusal
from tests.unit.sdk.reading import live_is_fresh, messages_until, next_event

ALICE = event_pb2.Message(text="@alice", mentioned_user_ids=["alice"])


async def test_mentions_above_the_read_position_are_counted_as_they_come(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "before", mentions=["alice"])
    async with as_user() as alice:
        assert alice.joined["team"].mention_count == 1
        gateway.say("team", "now", mentions=["bob", "alice"])
        gateway.say("team", "others", mentions=["bob"])
        await messages_until(alice, "others")
        assert alice.joined["team"].mention_count == 2
        alice.mark_read("team")
        assert alice.joined["team"].mention_count == 0
        gateway.say("team", "again", mentions=["alice"])
        await messages_until(alice, "again")
        assert alice.joined["team"].mention_count == 1


@pytest.mark.parametrize("before", [True, False], ids=["told by the server", "seen live"])
async def test_a_mention_that_is_edited_away_or_deleted_counts_no_longer(
    gateway: FakeGateway, as_user: Connect, before: bool
) -> None:
    gateway.channel("team", "alice", "bob")

    def say() -> tuple[int, int]:
        return tuple(gateway.say("team", "you!", mentions=["alice"]).seq for _ in range(2))  # type: ignore[return-value]

    said = say() if before else None
    async with as_user() as alice:
        one, two = said or say()
        bobs = gateway.say("team", "nobody")
        gateway.amend("team", message_edited=event_pb2.MessageEdited(target_seq=bobs.seq, message=ALICE))
        await until(lambda: alice.joined["team"].mention_count == 3, "three mentions")
        gateway.amend("team", message_deleted=event_pb2.MessageDeleted(target_seq=one))
        await until(lambda: alice.joined["team"].mention_count == 2, "one less")
        blank = event_pb2.MessageEdited(target_seq=two, message=event_pb2.Message(text="nobody"))
        gateway.amend("team", message_edited=blank)
        await until(lambda: alice.joined["team"].mention_count == 1, "another less")
        await live_is_fresh(alice, as_user)


async def test_reading_a_part_of_what_was_unread_before_leaves_the_mentions_after_it(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    for n in range(4):
        gateway.say("team", str(n), mentions=["alice"])
    async with as_user() as alice:
        alice.mark_read("team", 3)
        await until(lambda: alice.joined["team"].mention_count == 1, "the mentions after the third message")
        await live_is_fresh(alice, as_user)


async def test_mentions_by_people_whom_one_has_blocked_do_not_count(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob", "carol")
    gateway.blocks["alice"] = {"bob"}
    async with as_user() as alice:
        gateway.say("team", "by bob", mentions=["alice"])
        gateway.say("team", "by carol", by="carol", mentions=["alice"])
        await until(lambda: alice.joined["team"].mention_count == 1, "the mention by carol only")
        await alice.users.block("carol")
        await until(lambda: alice.joined["team"].mention_count == 0, "no mention by anybody blocked")
        await alice.users.unblock("bob")
        await until(lambda: alice.joined["team"].mention_count == 1, "the mention by bob")
        await live_is_fresh(alice, as_user)
        assert [user.user_id async for user in alice.users.blocked()] == ["carol"]


async def test_preferences_set_on_one_device_are_heard_of_on_the_other(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    gateway.say("team", "1")
    async with as_user() as phone, as_user() as desk:
        preferences = await phone.channels.set_preferences("team", muted=True, hidden=True)
        assert (preferences.muted, preferences.pinned) == (True, False)
        told = await next_event(desk, tertulia.PreferencesChanged)
        assert (told.channel_id, told.preferences) == ("team", preferences)
        await until(lambda: desk.joined["team"].hidden, "the channel hidden")
        gateway.say("team", "2")
        await messages_until(desk, "2")
        await until(lambda: not desk.joined["team"].hidden, "listed again with the next message")
        assert desk.joined["team"].preferences.muted
        await live_is_fresh(desk, as_user)


async def test_preferences_that_come_late_do_not_undo_newer_ones(gateway: FakeGateway, as_user: Connect) -> None:
    log = gateway.channel("team", "alice")
    async with as_user() as alice:
        await alice.channels.set_preferences("team", pinned=True)
        await next_event(alice, tertulia.PreferencesChanged)
        late = event_pb2.ChannelPreferencesChanged(
            channel_id="team", log_id=log.log_id, preferences=event_pb2.ChannelPreferences(version=1, muted=True)
        )
        gateway._inbox("alice", event_pb2.Event(channel_preferences_changed=late))
        gateway.prefer("team", "alice", marked_unread=True)
        told = await next_event(alice, tertulia.PreferencesChanged)
        assert (told.preferences.version, told.preferences.muted) == (2, False)


async def test_a_channels_name_members_and_ones_own_role_are_current(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user("alice") as alice, as_user("bob") as bob:
        changed = await bob.channels.update("team", name="The team", slow_mode_seconds=5)
        assert (changed.name, changed.slow_mode_seconds) == ("The team", 5)
        await next_event(alice, tertulia.ChannelChanged)
        assert alice.joined["team"].channel == changed
        gateway.join("team", "carol")
        await until(lambda: alice.joined["team"].channel.member_count == 3, "carol is counted")
        assert not alice.joined["team"].permissions.moderate
        await bob.channels.set_role("team", "alice", tertulia.MemberRole.OPERATOR)
        assert (await next_event(alice, tertulia.MembershipChanged)).added == ("carol",)
        assert (await next_event(alice, tertulia.MembershipChanged)).roles == {"alice": tertulia.MemberRole.OPERATOR}
        await until(lambda: alice.joined["team"].permissions.moderate, "an operator's permissions")
        assert alice.joined["team"].role is tertulia.MemberRole.OPERATOR
        await live_is_fresh(alice, as_user)


async def test_a_block_in_a_direct_channel_shows_in_what_one_may_do(gateway: FakeGateway, as_user: Connect) -> None:
    log = gateway.channel("d", "alice", "bob")
    log.kind = channel_pb2.CHANNEL_KIND_DIRECT
    async with as_user() as alice:
        assert alice.joined["d"].permissions.send
        log.blocked = True
        gateway.change("d", channel_changed=event_pb2.ChannelChanged())
        await until(lambda: not alice.joined["d"].permissions.send, "no permission to send")


async def test_an_update_under_an_old_etag_is_refused(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice")
    async with as_user() as alice:
        old = await alice.channels.get("team")
        await alice.channels.update("team", name="first", etag=old.etag)
        with pytest.raises(tertulia.Aborted) as raised:
            await alice.channels.update("team", name="second", etag=old.etag)
        assert raised.value.reason == "ETAG_MISMATCH"
        with pytest.raises(ValueError, match="nothing"):
            await alice.channels.update("team")


async def test_a_deleted_channel_is_told_and_forgotten(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user("alice") as alice, as_user("bob") as bob:
        await bob.channels.delete("team")
        assert (await next_event(alice, tertulia.ChannelDeleted)).channel_id == "team"
        assert "team" not in alice.joined
        gateway.cut()
        await next_event(alice, tertulia.ConnectionChanged)
        await live_is_fresh(alice, as_user)


async def test_what_has_reached_a_device_is_told_to_the_others_by_itself(
    gateway: FakeGateway, as_user: Connect
) -> None:
    gateway.channel("team", "alice", "bob")
    async with as_user("alice") as alice:
        sent = await alice.send("team", "there?")
        async with as_user("bob"):
            told = await next_event(alice, tertulia.DeliveredChanged)
            assert (told.channel_id, told.user_id, told.seq) == ("team", "bob", sent.seq)
            again = await alice.send("team", "still there?")
            assert (await next_event(alice, tertulia.DeliveredChanged)).seq == again.seq
            members = {member.user_id: member async for member in alice.channels.members("team")}
            assert (members["bob"].delivered_seq, members["bob"].read_seq) == (again.seq, 0)


async def test_deliveries_go_out_together_and_at_most_one_a_second(
    gateway: FakeGateway, as_user: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tertulia.outbox.DELIVERED_SECONDS", 0.2)
    for channel_id in ("one", "two"):
        gateway.channel(channel_id, "alice", "bob")
    async with as_user() as alice:
        for n in range(20):
            gateway.say("one", str(n))
            gateway.say("two", str(n))
            await messages_until(alice, str(n))
        last = gateway.say("two", "last").seq
        await until(lambda: gateway.logs["two"].deliveries.get("alice") == last, "all of it is told")
    frames = [frame for frame in gateway.frames if frame.deliveries]
    assert len(frames) < 20
    assert all(len({each.channel_id for each in frame.deliveries}) == len(frame.deliveries) for frame in frames)


@pytest.mark.parametrize("why", ["a large channel", "receipts turned off", "ones own message"])
async def test_nothing_is_told_as_delivered_where_nobody_is_to_hear_of_it(
    gateway: FakeGateway, as_user: Connect, why: str
) -> None:
    gateway.channel("team", "alice", "bob", *(f"user{n}" for n in range(99 if why == "a large channel" else 3)))
    async with as_user(receipts=why != "receipts turned off") as alice:
        gateway.say("team", "hello", by="alice" if why == "ones own message" else "bob")
        await messages_until(alice, "hello")
        await alice.channels.get("team")  # the answer comes after what was written before
    assert not [frame for frame in gateway.frames if frame.deliveries]


async def test_a_refused_read_position_or_watch_is_told(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob")

    def refuse(_read: session_pb2.MarkRead) -> None:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD)

    gateway.on_read = refuse
    async with as_user() as alice:
        alice.mark_read("team", 99)
        told = await next_event(alice, tertulia.SignalRefused)
        assert (told.signal, list(told.subjects), told.error.reason) == ("mark_read", ["team"], "POSITION_ABOVE_HEAD")
        with pytest.raises(tertulia.InvalidArgument):
            await alice.channels.mark_read("team", 99)


async def test_members_roles_are_read(gateway: FakeGateway, as_user: Connect) -> None:
    gateway.channel("team", "alice", "bob").roles["bob"] = role_pb2.MEMBER_ROLE_OWNER
    async with as_user() as alice:
        roles = {member.user_id: member.role async for member in alice.channels.members("team")}
    assert roles == {"alice": tertulia.MemberRole.MEMBER, "bob": tertulia.MemberRole.OWNER}
