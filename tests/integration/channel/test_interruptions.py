"""Changes that are cut at every step: nobody is in who must not be, and in the end nothing is lost and nothing doubled."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import pytest
from tertulia.chat.v1 import channel_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.rpc.client import call
from libs.rpc.errors import NotFound, TertuliaError, Unavailable
from tests.integration.channel.consistency import assert_consistent
from tests.integration.channel.parts import APPLICATION, Fault, Parts, once_on, only_the, reason, refuse, running_parts
from tests.integration.channel.people import GROUP, Cast, Person, ids
from tests.support.ports import until

OUTCOME_UNKNOWN = "UNAVAILABLE OUTCOME_UNKNOWN"
CUTS = ["event not appended", "event's answer lost", "entries not appended", "entries' answer lost"]


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-interruptions")]


def cut(parts: Parts, where: str) -> None:
    """Break the next change at one of its two appends, once."""
    fault = only_the(CUTS.index(where) // 2 + 1, refuse)
    if "not" in where:
        parts.link.before = fault
    else:
        parts.link.after = fault


async def settled(cast: Cast, channel: channel_pb2.Channel, version: int) -> None:
    """Wait until the sweeper has finished the change to `version`: the appends of the next one cannot begin before."""

    async def done() -> bool:
        page = await cast.server.members_page(channel.channel_id)
        now = await cast.server.get(channel.channel_id)
        return now.policy_version == version and len(page.members) == now.member_count

    await until(done, f"the change to version {version} is finished")


@pytest.mark.parametrize("where", CUTS)
async def test_a_change_that_is_cut_is_finished_by_the_sweeper(parts: Parts, cast: Cast, where: str) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob)
    cut(parts, where)
    with pytest.raises(TertuliaError) as failure:
        await alice.add(channel.channel_id, carol)
    assert reason(failure.value) == OUTCOME_UNKNOWN
    await until(lambda: entries(carol, 1), "carol is told")
    await settled(cast, channel, 2)
    assert await assert_consistent(parts, cast, channel, [alice, bob, carol]) == 2
    # where an answer was lost, the sweeper repeats an append once more: not while the next test counts appends
    await alice.remove(channel.channel_id, carol)


@pytest.mark.parametrize("where", CUTS)
async def test_repeating_a_call_that_was_cut_completes_it(parts: Parts, cast: Cast, where: str) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob, carol)
    cut(parts, where)
    with pytest.raises(TertuliaError) as failure:
        await bob.leave(channel.channel_id)
    assert reason(failure.value) == OUTCOME_UNKNOWN
    with suppress(NotFound):  # the sweeper may be quicker: then bob is out already
        await bob.leave(channel.channel_id)
    await alice.remove(channel.channel_id, carol)
    assert await assert_consistent(parts, cast, channel, [alice, bob, carol]) == 3


@pytest.mark.parametrize("where", CUTS)
async def test_a_create_that_was_cut_is_completed_by_its_retry(parts: Parts, cast: Cast, where: str) -> None:
    alice, bob = await cast.users("alice", "bob")
    cut(parts, where)
    with pytest.raises(TertuliaError) as failure:
        await alice.group(bob, request_id="r1")
    assert reason(failure.value) == OUTCOME_UNKNOWN
    channel = await alice.group(bob, request_id="r1")
    assert await assert_consistent(parts, cast, channel, [alice, bob]) == 1


async def test_a_change_that_its_log_refuses_for_ever_is_a_fault_and_keeps_no_other_from_being_finished(
    tmp_path: Path,
) -> None:
    async with running_parts(tmp_path) as parts:
        cast = Cast(parts)
        alice, bob, carol = await cast.users("alice", "bob", "carol")
        first = await cast.named("alice", server=True).create(
            channel_pb2.CreateChannelRequest(kind=GROUP, channel_id="0-is-swept-first", member_user_ids=ids([bob]))
        )
        await from_the_future(parts, first.log_id)
        with pytest.raises(TertuliaError) as failure:
            await alice.add(first.channel_id, carol)
        assert reason(failure.value) == "INTERNAL INTERNAL"
        channel = await alice.group(bob)
        parts.link.before = once_on(channel.log_id, refuse)  # the sweeper is at the first channel all the while
        with pytest.raises(Unavailable):
            await alice.add(channel.channel_id, carol)
        await settled(cast, channel, 2)


async def from_the_future(parts: Parts, log_id: bytes) -> None:
    """Write a change to a channel's log that its directory never made."""
    item = log_pb2.AppendItem(
        log=log_pb2.LogKey(application_id=APPLICATION, log_id=log_id),
        kind=log_pb2.EVENT_KIND_CONTROL,
        client_id="from the future",
        policy_version=1_000,
    )
    [result] = (await call(parts.logs.Append, log_pb2.AppendRequest(items=[item]))).results
    assert not result.refusal


async def test_while_a_removal_is_pending_the_removed_are_out_and_others_go_on(parts: Parts, cast: Cast) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob, carol)
    parts.link.before = refuse
    with pytest.raises(Unavailable):
        await alice.remove(channel.channel_id, bob)
    for attempt in (
        bob.authorize(channel.channel_id),
        bob.get(channel.channel_id),
        bob.members(channel.channel_id),
        bob.read_to(channel.channel_id, 1),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await bob.channels() == {}
    assert (await carol.authorize(channel.channel_id)).policy_version == 2
    assert set(await carol.members(channel.channel_id)) == {alice.user_id, carol.user_id}
    parts.link.before = None
    await until(lambda: entries(bob, 2), "bob is told")
    await settled(cast, channel, 2)
    assert await assert_consistent(parts, cast, channel, [alice, bob, carol]) == 2


async def test_while_an_addition_is_not_on_the_log_the_added_are_not_in(parts: Parts, cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group()
    parts.link.before = refuse
    with pytest.raises(Unavailable):
        await alice.add(channel.channel_id, bob)
    with pytest.raises(NotFound):
        await bob.authorize(channel.channel_id)
    assert await bob.channels() == {}
    parts.link.before = None
    await alice.add(channel.channel_id, bob)
    assert (await bob.authorize(channel.channel_id)).policy_version == 2
    assert await assert_consistent(parts, cast, channel, [alice, bob]) == 2


async def test_an_outage_of_message_store_is_said_to_be_one_and_passes(parts: Parts, cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel = await alice.group(bob)
    await parts.message_store.kill()
    for attempt in (alice.channels(), alice.open_inbox(), alice.read_to(channel.channel_id, 1), alice.group(bob)):
        with pytest.raises(TertuliaError) as failure:
            await attempt
        assert reason(failure.value) == "UNAVAILABLE UNAVAILABLE"
    with pytest.raises(TertuliaError) as failure:
        await alice.remove(channel.channel_id, bob)
    assert reason(failure.value) == "UNAVAILABLE UNAVAILABLE", "nothing was begun"
    assert (await bob.authorize(channel.channel_id)).policy_version == 1
    await parts.message_store.start()
    await alice.remove(channel.channel_id, bob)
    assert await assert_consistent(parts, cast, channel, [alice, bob]) == 2


async def test_a_channel_that_is_left_while_it_is_being_listed_is_not_listed(parts: Parts, cast: Cast) -> None:
    alice, bob = await cast.users("alice", "bob")
    channel, other = await alice.group(bob), await alice.group(bob)

    async def remove_bob() -> None:
        parts.link.before_heads = None
        await alice.remove(channel.channel_id, bob)
        await parts.say(channel.log_id, "now that bob is gone")

    parts.link.before_heads = remove_bob
    opened = (await bob.open_inbox()).channels
    assert [mine.channel.channel_id for mine in opened] == [other.channel_id]


async def entries(person: Person, count: int) -> bool:
    return len(await person.inbox()) == count


class Held:
    """Holds the `number`th append until the test lets go of it, before or after it is passed on."""

    def __init__(self, number: int) -> None:
        self.reached = asyncio.Event()
        self.fault: Fault = only_the(number, self._hold)
        self._let_go = asyncio.Event()

    async def _hold(self, _request: log_pb2.AppendRequest) -> None:
        self.reached.set()
        await self._let_go.wait()

    def let_go(self) -> None:
        self._let_go.set()


@pytest.mark.parametrize("where", CUTS)
async def test_a_change_during_which_the_process_is_killed_is_finished_at_the_next_start(
    parts: Parts, cast: Cast, where: str
) -> None:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await alice.group(bob)
    held = Held(CUTS.index(where) // 2 + 1)
    if "not" in where:
        parts.link.before = held.fault
    else:
        parts.link.after = held.fault
    call = asyncio.create_task(alice.add(channel.channel_id, carol))
    await held.reached.wait()
    await parts.channel.kill()
    held.let_go()
    with pytest.raises(TertuliaError) as failure:
        await call
    assert reason(failure.value) == OUTCOME_UNKNOWN
    await parts.channel.start()
    await until(lambda: entries(carol, 1), "carol is told")
    await settled(cast, channel, 2)
    assert await assert_consistent(parts, cast, channel, [alice, bob, carol]) == 2


async def test_killed_again_and_again_while_changes_run_nothing_is_lost_or_doubled(parts: Parts, cast: Cast) -> None:
    alice, *others = await cast.users("alice", "bob", "carol", "dave", "eve")
    channels = [await alice.group() for _ in range(3)]
    acting = cast.named("alice", server=True)
    stop = asyncio.Event()
    succeeded = 0

    async def change(channel: channel_pb2.Channel, seed: int) -> None:
        nonlocal succeeded
        dice = random.Random(seed)
        while not stop.is_set():
            some = dice.sample(others, dice.randint(1, 3))
            act = dice.choice([acting.add, acting.remove])
            try:
                await act(channel.channel_id, *some)
            except Unavailable:
                continue
            succeeded += 1

    async with asyncio.TaskGroup() as group:
        for seed, channel in enumerate(channels * 2):
            group.create_task(change(channel, seed))
        for _ in range(5):
            before = succeeded
            await until(lambda before=before: succeeded >= before + 10, "changes succeed")
            await parts.channel.kill()
            await parts.channel.start()
        stop.set()
    for channel in channels:
        version = (await acting.add(channel.channel_id, *others)).policy_version  # finishes what is pending
        assert await assert_consistent(parts, cast, channel, [alice, *others]) == version
