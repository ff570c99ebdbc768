"""Sends: one batch in flight, order kept through retries, outcomes told honestly (I4, I9, I10)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2
from tertulia_internal.channel.v1 import access_pb2_grpc
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_owners import LogRouter, Owners
from libs.log_store import SHARDS, shard_of
from libs.rpc.caller import Caller
from libs.rpc.errors import ResourceExhausted, TertuliaError
from libs.rpc.status import unavailable
from libs.runtime.process import running
from services.gateway import appender as appender_module
from services.gateway.appender import Appender
from services.gateway.appends import new_append, outcome_unknown, say
from services.gateway.grants import Grant, Grants
from services.gateway.log_client import LogName
from services.gateway.stats import Stats, batch_sizes
from tests.support.ports import until
from tests.unit.gateway.peers import MEMBER, Peers, no_limits, serving

SECONDS = 2.0  # that a send is tried for

ROOM = LogName("app", b"room".ljust(16, b"-"))
ELSEWHERE = LogName("app", b"elsewhere".ljust(16, b"-"))
"""In another shard."""


def member(user_id: str, policy_version: int = 1, log: LogName = ROOM) -> Grant:
    grant = Grant(log, "room", user_id)
    grant.told(policy_version, 2, MEMBER, 0, blocked=False)
    return grant


class Person:
    """A session that sends and waits."""

    def __init__(self, appender: Appender, user_id: str = "alice") -> None:
        self._appender = appender
        self.grant = member(user_id)
        self.seqs: dict[int, int] = {}
        self.errors: dict[int, TertuliaError] = {}
        self._sent = 0
        self._told = asyncio.Event()

    def send(self, text: str, grant: Grant | None = None) -> int:
        request_id = self._sent + 1
        grant = grant or self.grant
        caller = Caller("app", grant.user_id, server=False)
        message = event_pb2.Message(text=text)
        append = new_append(self, request_id, caller, grant, say(caller, message), f"{id(self)}-{request_id}", None)
        append.decide()
        self._appender.submit(append)
        self._sent = request_id
        return request_id

    def acked(self, request_id: int, seq: int, time_ms: int) -> None:
        assert request_id not in self.seqs
        assert request_id not in self.errors
        self.seqs[request_id] = seq

    def failed(self, request_id: int, error: TertuliaError) -> None:
        assert request_id not in self.seqs
        assert request_id not in self.errors
        self.errors[request_id] = error

    def flush(self) -> None:
        self._told.set()

    async def all_told(self) -> None:
        async with asyncio.timeout(10):
            while len(self.seqs) + len(self.errors) < self._sent:
                self._told.clear()
                await self._told.wait()


class Stage:
    """The parts of a test."""

    def __init__(self) -> None:
        self.peers = Peers()
        self.now = 0.0
        self.appender: Appender
        self.owners: Owners


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage()
    begun = asyncio.get_running_loop().time()

    def clock() -> float:
        return asyncio.get_running_loop().time() - begun + stage.now

    async with serving(stage.peers, tmp_path) as channel:
        grants = Grants(access_pb2_grpc.AccessServiceStub(channel), 5, lambda _: 0)
        stage.owners = Owners([channel])
        router = LogRouter(stage.owners)
        stage.appender = Appender(
            router, grants, no_limits(), SECONDS, Stats(), batch_sizes(CollectorRegistry()), clock
        )
        async with running(stage.appender.run()):
            yield stage


async def test_what_comes_while_a_batch_is_in_flight_forms_the_next(stage: Stage) -> None:
    stage.peers.hold.clear()
    alice, bob = Person(stage.appender), Person(stage.appender, "bob")
    alice.send("0")
    await stage.peers.appending.wait()
    for number in range(1, 10):
        (alice, bob)[number % 2].send(str(number))
    stage.peers.hold.set()
    await alice.all_told()
    await bob.all_told()
    assert stage.peers.batches == [1, 9]
    assert stage.peers.texts[ROOM.log_id] == [str(number) for number in range(10)]


async def test_of_more_than_a_batch_half_goes_and_what_waits_for_other_shards_goes_next(stage: Stage) -> None:
    stage.peers.hold.clear()
    alice = Person(stage.appender)
    alice.send("0")
    await stage.peers.appending.wait()
    for where in (alice.grant, member("alice", log=ELSEWHERE)):
        for number in range(1, 33):
            alice.send(str(number), where)
    stage.peers.hold.set()
    await alice.all_told()
    assert stage.peers.batches == [1, 32, 32]
    assert stage.peers.texts[ROOM.log_id] == [str(number) for number in range(33)]
    assert stage.peers.texts[ELSEWHERE.log_id] == [str(number) for number in range(1, 33)]


async def test_a_batch_of_unknown_outcome_is_repeated_and_written_once(stage: Stage) -> None:
    stage.peers.fail_after = [outcome_unknown()]
    stage.peers.fail_before = [unavailable("the store")]
    alice = Person(stage.appender)
    for number in range(3):
        alice.send(str(number))
    await alice.all_told()
    assert alice.seqs == {1: 1, 2: 2, 3: 3}
    assert stage.peers.texts[ROOM.log_id] == ["0", "1", "2"]


async def test_what_is_changing_hands_waits_in_order_while_the_rest_goes_on(stage: Stage) -> None:
    alice = Person(stage.appender)
    there = member("alice", log=ELSEWHERE)
    stage.peers.moving.add(ELSEWHERE.log_id)
    alice.send("0", there)
    await stage.peers.appending.wait()
    for number in range(1, 4):
        alice.send(str(number), there)
        alice.send(f"here {number}")
    await until(lambda: len(alice.seqs) == 3, "the others are acknowledged", 5)
    assert ELSEWHERE.log_id not in stage.peers.texts
    stage.peers.moving.clear()
    await alice.all_told()
    assert stage.peers.texts[ELSEWHERE.log_id] == ["0", "1", "2", "3"]
    assert stage.peers.texts[ROOM.log_id] == ["here 1", "here 2", "here 3"]


async def test_an_owner_that_does_not_answer_holds_up_nobody_but_its_own(stage: Stage, tmp_path: Path) -> None:
    alice = Person(stage.appender)
    for shard in range(SHARDS):
        stage.owners.learn(shard, "")
    stage.owners.learn(shard_of(ELSEWHERE), f"unix:{tmp_path}/nowhere")
    there = member("alice", log=ELSEWHERE)
    alice.send("there", there)
    for number in range(3):
        alice.send(f"here {number}")
    await until(lambda: len(alice.seqs) == 3, "the others are acknowledged", 1)
    stage.owners.learn(shard_of(ELSEWHERE), "")
    alice.send("there, too", there)
    await alice.all_told()
    assert stage.peers.texts[ELSEWHERE.log_id] == ["there", "there, too"]


async def test_after_its_time_a_send_is_said_to_be_unknown(stage: Stage) -> None:
    stage.peers.hold.clear()
    alice = Person(stage.appender)
    alice.send("hello?")
    await alice.all_told()
    assert alice.errors[1].reason == error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    stage.peers.hold.set()
    alice.send("again")
    await alice.all_told()
    assert 2 in alice.seqs


async def test_what_never_left_in_time_is_said_not_to_have_been_done(stage: Stage) -> None:
    stage.peers.hold.clear()
    alice = Person(stage.appender)
    alice.send("in flight")
    await stage.peers.appending.wait()
    alice.send("waits")
    stage.now += 10
    await alice.all_told()
    assert alice.errors[1].reason == error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    assert alice.errors[2].reason == error_pb2.ERROR_REASON_UNAVAILABLE


async def test_a_send_that_is_given_up_takes_those_behind_it_along_so_that_none_overtakes_it(stage: Stage) -> None:
    stage.peers.hold.clear()
    alice, bob = Person(stage.appender), Person(stage.appender, "bob")
    bob.send("in flight")
    await stage.peers.appending.wait()
    alice.send("0")
    stage.now += 0.8 * SECONDS
    bob.send("of another")
    alice.send("1")
    stage.now += 0.4 * SECONDS  # the time of the first is over, that of the others is not
    stage.peers.hold.set()
    await alice.all_told()
    await bob.all_told()
    assert {error.reason for error in alice.errors.values()} == {error_pb2.ERROR_REASON_UNAVAILABLE}
    assert len(alice.errors) == 2, "sent again in order, they get there in order"
    assert "of another" in stage.peers.texts[ROOM.log_id]


async def test_one_who_cannot_be_authorised_now_takes_those_behind_along(stage: Stage) -> None:
    server = Person(stage.appender)
    alice = member("alice", 1)
    bob = member("bob", 1)
    stage.peers.versions[ROOM.log_id] = 2
    stage.peers.unreachable.add("alice")
    for grant in (bob, alice, bob):
        server.send("hello", grant)
    await server.all_told()
    assert list(server.seqs) == [1]
    assert [server.errors[request].reason for request in (2, 3)] == [error_pb2.ERROR_REASON_UNAVAILABLE] * 2


async def test_a_send_under_an_old_policy_is_authorised_anew_before_what_came_later(stage: Stage) -> None:
    alice = Person(stage.appender)
    stage.peers.versions[ROOM.log_id] = 2
    for number in range(5):
        alice.send(str(number))
    await alice.all_told()
    assert stage.peers.texts[ROOM.log_id] == ["0", "1", "2", "3", "4"]
    assert (alice.grant.policy_version, stage.peers.authorisations) == (2, ["alice"])


async def test_later_sends_of_a_lane_wait_for_its_authorisation_while_others_go_on(stage: Stage) -> None:
    alice, bob = Person(stage.appender), Person(stage.appender, "bob")
    stage.peers.versions[ROOM.log_id] = 2
    bob.grant.told(2, 2, MEMBER, 0, blocked=False)
    stage.peers.hold_authorisations.clear()
    alice.send("0")
    await stage.peers.authorising.wait()
    alice.send("1")
    alice.grant.told(2, 2, MEMBER, 0, blocked=False)  # meanwhile: alone the second one would pass now
    bob.send("from bob")
    await bob.all_told()
    alice.send("2")
    stage.peers.hold_authorisations.set()
    await alice.all_told()
    assert stage.peers.texts[ROOM.log_id] == ["from bob", "0", "1", "2"]


async def test_what_was_authorised_anew_goes_before_what_waits_behind_another_batch(stage: Stage) -> None:
    alice, bob = Person(stage.appender), Person(stage.appender, "bob")
    stage.peers.versions[ROOM.log_id] = 2
    bob.grant.told(2, 2, MEMBER, 0, blocked=False)
    stage.peers.hold_authorisations.clear()
    alice.send("0")
    await stage.peers.authorising.wait()
    stage.peers.hold.clear()
    stage.peers.appending.clear()
    bob.send("in flight")
    await stage.peers.appending.wait()
    alice.send("1")
    stage.peers.hold_authorisations.set()
    await until(lambda: alice.grant.policy_version == 2, "alice is authorised anew", 5)
    stage.peers.hold.set()
    await alice.all_told()
    assert stage.peers.texts[ROOM.log_id] == ["in flight", "0", "1"]


async def test_one_session_speaking_for_several_keeps_their_order_when_some_are_outdated(stage: Stage) -> None:
    server = Person(stage.appender)
    alice = member("alice", 1)
    bob = member("bob", 2)
    stage.peers.versions[ROOM.log_id] = 2
    for number in range(6):
        server.send(str(number), (alice, bob)[number % 2])
    await server.all_told()
    assert stage.peers.texts[ROOM.log_id] == ["0", "1", "2", "3", "4", "5"]


async def test_a_removed_member_is_refused_and_writes_nothing(stage: Stage) -> None:
    alice = Person(stage.appender)
    stage.peers.versions[ROOM.log_id] = 2
    stage.peers.removed.add("alice")
    alice.send("too late")
    await alice.all_told()
    assert alice.errors[1].reason == error_pb2.ERROR_REASON_CHANNEL_NOT_FOUND
    assert ROOM.log_id not in stage.peers.texts


async def test_a_policy_that_never_stops_changing_ends_in_an_answer(stage: Stage) -> None:
    def change(request: log_pb2.AppendRequest) -> None:
        stage.peers.versions[ROOM.log_id] = request.items[0].policy_version + 1

    stage.peers.on_append = change
    alice = Person(stage.appender)
    alice.send("hello")
    await alice.all_told()
    assert alice.errors[1].reason == error_pb2.ERROR_REASON_UNAVAILABLE
    assert ROOM.log_id not in stage.peers.texts
    assert len(stage.peers.authorisations) == appender_module.MAX_AUTHORISATIONS


async def test_too_much_waiting_is_refused_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appender_module, "MAX_WAITING_ITEMS", 3)
    stage.peers.hold.clear()
    alice = Person(stage.appender)
    for number in range(3):
        alice.send(str(number))
    with pytest.raises(ResourceExhausted) as refusal:
        alice.send("one too many")
    assert (refusal.value.reason, refusal.value.retry_after_ms > 0) == (error_pb2.ERROR_REASON_OVERLOADED, True)
    stage.peers.hold.set()
    await alice.all_told()
    alice.send("room again")
    await alice.all_told()
    assert len(alice.seqs) == 4


async def test_a_cached_membership_is_asked_for_again_when_a_newer_policy_is_heard_of(tmp_path: Path) -> None:
    peers, heard = Peers(), {"version": 0}
    async with serving(peers, tmp_path) as channel:
        grants = Grants(access_pb2_grpc.AccessServiceStub(channel), 60, lambda _: heard["version"])
        caller = Caller("app", "alice", server=False)
        first = await grants.get(caller, "room")
        assert await grants.get(caller, "room") is first
        peers.versions[first.log.log_id] = heard["version"] = 2
        assert (await grants.get(caller, "room")).policy_version == 2
        assert peers.authorisations == ["alice", "alice"]


async def test_what_may_be_written_already_is_tried_again_as_it_was_and_not_refused_meanwhile(stage: Stage) -> None:
    alice = Person(stage.appender)
    stage.peers.fail_after = [outcome_unknown()]
    alice.send("hello")
    await until(lambda: ROOM.log_id in stage.peers.texts, "it is written, and its acknowledgement is lost")
    stage.peers.versions[ROOM.log_id] = 2
    alice.grant.told(2, 2, channel_pb2.ChannelPermissions(), 0, blocked=False)
    await alice.all_told()
    assert alice.seqs == {1: 1}


async def test_what_waits_while_its_grant_is_renewed_by_another_is_decided_anew(stage: Stage) -> None:
    alice, bob = Person(stage.appender), Person(stage.appender, "bob")
    stage.peers.hold.clear()
    bob.send("in flight")
    await stage.peers.appending.wait()
    alice.send("allowed once")
    alice.grant.told(2, 2, channel_pb2.ChannelPermissions(), 0, blocked=False)
    stage.peers.hold.set()
    await alice.all_told()
    assert alice.errors[1].reason == error_pb2.ERROR_REASON_NOT_ALLOWED
    assert stage.peers.texts[ROOM.log_id] == ["in flight"]
