"""Changes of policy that are cut in the middle: they hold from their first step on, and in the end they are made, once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from tertulia.chat.v1 import channel_pb2, role_pb2

from libs.rpc.errors import NotFound, TertuliaError, Unavailable
from tests.integration.channel.parts import Parts, once_on, reason, refuse
from tests.integration.channel.people import Cast, Person
from tests.integration.channel.test_interruptions import Held
from tests.support.ports import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("channel-interrupted-policies")]

OPERATOR = role_pb2.MEMBER_ROLE_OPERATOR


class Scene(NamedTuple):
    """Alice owns an open channel with bob in it, and has a direct channel with him; carol is outside."""

    cast: Cast
    alice: Person
    bob: Person
    carol: Person
    open: channel_pb2.Channel
    direct: channel_pb2.Channel


async def scene(cast: Cast) -> Scene:
    alice, bob, carol = await cast.users("alice", "bob", "carol")
    channel = await cast.open_channel(cast.channel_id("lobby"), alice, bob)
    return Scene(cast, alice, bob, carol, channel, await alice.direct(bob))


async def deleted(s: Scene) -> bool:
    names = [channel.channel_id for channel in (await s.carol.open_channels(s.open.name)).channels]
    mine = [set(await person.channels()) for person in (s.alice, s.bob)]
    return names == [] and mine == [{s.direct.channel_id}] * 2


async def renamed(s: Scene) -> bool:
    old = (await s.carol.open_channels(s.open.name)).channels
    new = (await s.carol.open_channels(f"renamed {s.open.name}")).channels
    return [channel.channel_id for channel in new] == [s.open.channel_id] and not old


async def promoted(s: Scene) -> bool:
    return (await s.alice.members(s.open.channel_id))[s.bob.user_id].role == OPERATOR


async def joined(s: Scene) -> bool:
    return s.carol.user_id in await s.alice.members(s.open.channel_id) and len(await s.carol.inbox()) == 1


async def blocked(s: Scene) -> bool:
    listed = [user.user_id for user in (await s.alice.blocked()).users]
    return listed == [s.bob.user_id] and (await s.bob.authorize(s.direct.channel_id)).blocked


class Case(NamedTuple):
    act: Callable[[Scene], Awaitable[object]]
    done: Callable[[Scene], Awaitable[bool]]
    direct: bool = False
    """It changes the direct channel."""

    def channel(self, s: Scene) -> channel_pb2.Channel:
        return s.direct if self.direct else s.open


CASES = {
    "a deletion": Case(lambda s: s.alice.delete(s.open.channel_id), deleted),
    "an update": Case(lambda s: s.alice.update(s.open.channel_id, name=f"renamed {s.open.name}"), renamed),
    "a role": Case(lambda s: s.alice.set_role(s.open.channel_id, s.bob, OPERATOR), promoted),
    "a join": Case(lambda s: s.carol.join(s.open.channel_id), joined),
    "a block": Case(lambda s: s.alice.block(s.bob), blocked, direct=True),
}


async def settled(parts: Parts, case: Case, s: Scene) -> None:
    """It is done, and its log has one event for it."""

    async def finished() -> bool:
        return await case.done(s) and len(await parts.events(case.channel(s).log_id)) > 1

    await until(finished, "the change is finished")
    assert [event.seq for event in await parts.events(case.channel(s).log_id)] == [1, 2]


@pytest.mark.parametrize("lost", ["before", "after"])
@pytest.mark.parametrize("name", CASES)
async def test_a_change_that_is_cut_is_finished_once(parts: Parts, cast: Cast, name: str, lost: str) -> None:
    s, case = await scene(cast), CASES[name]
    setattr(parts.link, lost, once_on(case.channel(s).log_id, refuse))
    with pytest.raises(TertuliaError) as failure:
        await case.act(s)
    assert reason(failure.value) == "UNAVAILABLE OUTCOME_UNKNOWN"
    await settled(parts, case, s)


@pytest.mark.parametrize("name", CASES)
async def test_repeating_a_call_that_was_cut_completes_it(parts: Parts, cast: Cast, name: str) -> None:
    s, case = await scene(cast), CASES[name]
    parts.link.after = once_on(case.channel(s).log_id, refuse)
    with pytest.raises(Unavailable):
        await case.act(s)
    try:
        await case.act(s)
    except NotFound:  # the sweeper was quicker than the deletion's retry
        assert name == "a deletion"
    assert await case.done(s), "a retry that was answered is done"
    await settled(parts, case, s)


@pytest.mark.parametrize("name", CASES)
async def test_a_change_during_which_the_process_is_killed_is_finished_at_the_next_start(
    parts: Parts, cast: Cast, name: str
) -> None:
    s, case = await scene(cast), CASES[name]
    held = Held(1)
    parts.link.before = held.fault
    calling = asyncio.ensure_future(case.act(s))
    await held.reached.wait()
    await parts.channel.kill()
    held.let_go()
    with pytest.raises(TertuliaError):
        await calling
    await parts.channel.start()
    await settled(parts, case, s)


async def test_from_its_first_step_on_nobody_sees_a_channel_that_is_being_deleted(parts: Parts, cast: Cast) -> None:
    s = await scene(cast)
    parts.link.before = refuse
    with pytest.raises(Unavailable):
        await s.alice.delete(s.open.channel_id)
    for person in (s.alice, s.bob, s.carol, cast.server):
        for attempt in (person.get(s.open.channel_id), person.authorize(s.open.channel_id)):
            with pytest.raises(NotFound):
                await attempt
    assert set(await s.bob.channels()) == {s.direct.channel_id}
    assert list((await s.carol.open_channels(s.open.name)).channels) == []
    parts.link.mend()
    await settled(parts, CASES["a deletion"], s)


async def test_from_its_first_step_on_gateways_are_told_of_no_role_that_was_taken_away(
    parts: Parts, cast: Cast
) -> None:
    s = await scene(cast)
    await s.alice.set_role(s.open.channel_id, s.bob, OPERATOR)
    parts.link.before = refuse
    with pytest.raises(Unavailable):
        await s.alice.set_role(s.open.channel_id, s.bob, role_pb2.MEMBER_ROLE_MEMBER)
    grant = await s.bob.authorize(s.open.channel_id)
    assert (grant.policy_version, grant.role, grant.permissions.moderate) == (3, role_pb2.MEMBER_ROLE_MEMBER, False)
    mine = (await s.bob.channels())[s.open.channel_id]
    assert (mine.channel.policy_version, mine.permissions.moderate) == (3, False)
    parts.link.mend()


async def test_from_its_first_step_on_a_block_is_what_gateways_are_told(parts: Parts, cast: Cast) -> None:
    s = await scene(cast)
    parts.link.before = refuse
    with pytest.raises(Unavailable):
        await s.alice.block(s.bob)
    grant = await s.bob.authorize(s.direct.channel_id)
    assert (grant.policy_version, grant.permissions.send, grant.blocked) == (2, False, True)
    parts.link.mend()
    await settled(parts, CASES["a block"], s)
