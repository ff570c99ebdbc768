"""Read positions and the receipts that are pushed of them."""

import asyncio

import pytest
from tertulia.chat.v1 import channel_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.channel.v1 import access_pb2

from libs.bus.subjects import log_subject
from libs.rpc.client import call
from tests.integration.channel.parts import APPLICATION, Parts
from tests.integration.channel.people import Cast, Person

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-positions")]

_SECONDS = 10


class Receipts:
    """What is announced about the read positions of a channel."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[session_pb2.Notice] = asyncio.Queue()

    async def listen(self, parts: Parts, channel: channel_pb2.Channel) -> "Receipts":
        await parts.bus.subscribe(log_subject(channel.log_id), self._take)
        await parts.bus.flush()
        return self

    def _take(self, payload: bytes) -> None:
        signal = signal_pb2.LogSignal.FromString(payload)
        if signal.HasField("notice"):
            frame = session_pb2.ServerFrame.FromString(signal.notice.frame)
            self._heard.put_nowait(frame.notices[0])

    async def next(self) -> tuple[str, int, int]:
        async with asyncio.timeout(_SECONDS):
            read = (await self._heard.get()).read
        return read.user_id, read.read_seq, read.read_message_count

    async def next_delivered(self) -> tuple[str, int]:
        async with asyncio.timeout(_SECONDS):
            delivered = (await self._heard.get()).delivered
        return delivered.user_id, delivered.delivered_seq


async def advance(parts: Parts, *advances: tuple[str, Person, int]) -> list[tuple[int, int, int]]:
    """As a gateway does."""
    request = access_pb2.AdvancePositionsRequest(
        application_id=APPLICATION,
        advances=[
            access_pb2.PositionAdvance(channel_id=channel_id, user_id=person.user_id, read_seq=seq)
            for channel_id, person, seq in advances
        ],
    )
    response = await call(parts.access.AdvancePositions, request)
    return [(result.read_seq, result.read_message_count, result.refusal) for result in response.results]


async def test_a_position_that_moved_is_announced_and_one_that_did_not_is_not(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    receipts = await Receipts().listen(parts, channel)
    await parts.say(channel.log_id, "one", "two", "three")
    response = await bob.read_to(channel.channel_id, 3)
    assert (response.read_seq, response.unread_count) == (3, 1)
    response = await bob.read_to(channel.channel_id, 2)
    assert (response.read_seq, response.unread_count) == (3, 1), "a position never goes back"
    await bob.read_to(channel.channel_id, 3)
    await bob.read_to(channel.channel_id, 4)
    assert await receipts.next() == (bob.user_id, 3, 2)
    assert await receipts.next() == (bob.user_id, 4, 3), "what did not move was announced"


async def test_each_advance_of_a_batch_has_its_own_outcome(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    one, two = await alice.group(bob), await alice.group(bob)
    receipts = await Receipts().listen(parts, one)
    await parts.say(one.log_id, "1", "2")
    await parts.say(two.log_id, "1")
    not_found, above = access_pb2.ADVANCE_REFUSAL_CHANNEL_NOT_FOUND, access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD
    outcomes = await advance(
        parts,
        (one.channel_id, bob, 2),
        (one.channel_id, carol, 2),
        ("no-such-channel", bob, 2),
        (two.channel_id, bob, 2),
        (one.channel_id, bob, 3),
        (one.channel_id, bob, 4),
        (one.channel_id, alice, 2),
        (one.channel_id, bob, 1),
    )
    assert outcomes == [
        (3, 2, 0),
        (0, 0, not_found),
        (0, 0, not_found),
        (2, 1, 0),
        (3, 2, 0),
        (3, 2, above),
        (2, 1, 0),
        (3, 2, 0),
    ]
    heard = {await receipts.next(), await receipts.next()}
    assert heard == {(bob.user_id, 3, 2), (alice.user_id, 2, 1)}
    assert await advance(parts, (one.channel_id, bob, 2)) == [(3, 2, 0)]
    assert await advance(parts) == []


async def test_receipts_are_not_pushed_in_large_channels(cast: Cast, parts: Parts) -> None:
    alice, bob, carol, dave = await cast.users("alice", "bob", "carol", "dave")
    channel = await alice.group(bob, carol, dave)  # four, where the setting of this module says three
    receipts = await Receipts().listen(parts, channel)
    await parts.say(channel.log_id, "one")
    await bob.read_to(channel.channel_id, 2)
    await carol.delivered_to(channel.channel_id, 2)
    await alice.remove(channel.channel_id, dave)
    await bob.read_to(channel.channel_id, 3)
    assert await receipts.next() == (bob.user_id, 3, 1)
    assert (await alice.members(channel.channel_id))[bob.user_id].read_seq == 3


async def test_many_at_once_are_announced_in_order(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    receipts = await Receipts().listen(parts, channel)
    last = await parts.say(channel.log_id, *map(str, range(50)))
    await asyncio.gather(*(bob.read_to(channel.channel_id, seq) for seq in range(1, last + 1)))
    heard = [await receipts.next()]
    while heard[-1][1] < last:
        heard.append(await receipts.next())
    assert heard == sorted(heard)
    assert (await bob.channels())[channel.channel_id].unread_count == 0


async def test_what_was_said_before_somebody_came_is_not_unread(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group()
    await parts.say(channel.log_id, "one", "two")
    await alice.add(channel.channel_id, bob)
    await parts.say(channel.log_id, "three")
    mine = (await bob.channels())[channel.channel_id]
    assert (mine.read_seq, mine.delivered_seq, mine.read_message_count, mine.unread_count) == (4, 4, 2, 1)
    assert (await alice.channels())[channel.channel_id].unread_count == 3


async def test_who_comes_back_has_read_all_that_was_said_meanwhile_and_never_less_than_before(
    cast: Cast, parts: Parts
) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    await parts.say(channel.log_id, "one")
    await bob.read_to(channel.channel_id, 2)
    await bob.leave(channel.channel_id)
    assert (await advance(parts, (channel.channel_id, bob, 3)))[0][2] == access_pb2.ADVANCE_REFUSAL_CHANNEL_NOT_FOUND
    await parts.say(channel.log_id, "two")
    await alice.add(channel.channel_id, bob)
    mine = (await bob.channels())[channel.channel_id]
    assert (mine.read_seq, mine.unread_count) == (5, 0)


async def test_what_was_delivered_moves_beside_what_was_read_and_is_announced(cast: Cast, parts: Parts) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    receipts = await Receipts().listen(parts, channel)
    await parts.say(channel.log_id, "one", "two", "three")
    assert await bob.delivered_to(channel.channel_id, 3) == 3
    assert await bob.delivered_to(channel.channel_id, 2) == 3, "a position never goes back"
    assert await receipts.next_delivered() == (bob.user_id, 3)
    await bob.read_to(channel.channel_id, 4)
    assert await receipts.next() == (bob.user_id, 4, 3)
    assert await bob.delivered_to(channel.channel_id, 4) == 4, "reading moved it"
    member = (await alice.members(channel.channel_id))[bob.user_id]
    assert (member.read_seq, member.delivered_seq) == (4, 4)
    mine = (await bob.channels())[channel.channel_id]
    assert (mine.read_seq, mine.delivered_seq) == (4, 4)


async def test_a_batch_of_deliveries_passes_over_strangers_and_what_is_above_the_head(cast: Cast, parts: Parts) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob)
    await parts.say(channel.log_id, "one", "two")
    wanted = [(channel.channel_id, alice, 4), (channel.channel_id, carol, 2), ("no-such-channel", bob, 1)]
    wanted += [(channel.channel_id, bob, 2), (channel.channel_id, bob, 3), (channel.channel_id, bob, 1)]
    request = access_pb2.AdvanceDeliveredRequest(
        application_id=APPLICATION,
        advances=[
            access_pb2.DeliveredAdvance(channel_id=channel_id, user_id=person.user_id, delivered_seq=seq)
            for channel_id, person, seq in wanted
        ],
    )
    await call(parts.access.AdvanceDelivered, request)
    members = await alice.members(channel.channel_id)
    assert {user_id: member.delivered_seq for user_id, member in members.items()} == {alice.user_id: 1, bob.user_id: 3}
    assert members[bob.user_id].read_seq == 1
