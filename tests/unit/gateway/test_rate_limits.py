"""Nobody does more than they may, those who do not are not held up, and what is remembered of it is bounded (I9)."""

import time

import hypothesis.strategies as st
import pytest
from hypothesis import given
from tertulia.chat.v1 import error_pb2, event_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import ResourceExhausted
from services.gateway.appends import Append, new_append, not_allowed, say
from services.gateway.grants import Grant
from services.gateway.log_client import LogName
from services.gateway.rate_limits import Rate, RateLimits, TokenBuckets
from tests.unit.gateway.peers import MEMBER, NO_LIMIT

ALICE, BOB = (Caller("app", name, server=False) for name in ("alice", "bob"))
SERVER = Caller("app", "", server=True)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Nobody:
    """Hears of no outcome."""

    def acked(self, request_id: int, seq: int, time_ms: int) -> None:
        raise NotImplementedError

    def failed(self, request_id: int, error: Exception) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        raise NotImplementedError


def write(user_id: str = "alice", channel_id: str = "room", *, server: bool = False) -> Append:
    grant = Grant(LogName("app", channel_id.encode().ljust(16, b"-")), channel_id, user_id)
    grant.told(1, 2, MEMBER, 0, blocked=False)
    caller = Caller("app", user_id, server=server)
    return new_append(Nobody(), 1, caller, grant, say(caller, event_pb2.Message(text="hello")), "id", None)


def taken(buckets: TokenBuckets[str], key: str = "x", tries: int = 100) -> int:
    count = 0
    for _ in range(tries):
        if not buckets.wait(key):
            buckets.take(key)
            count += 1
    return count


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    clock = Clock()
    buckets: TokenBuckets[str] = TokenBuckets(Rate(3, 10), clock)
    assert taken(buckets) == 10
    assert taken(buckets, "y") == 10, "others have their own"
    clock.now += 1
    assert taken(buckets) == 3
    clock.now += 1_000
    assert taken(buckets) == 10, "no more than a burst is saved up"


def test_who_waits_as_long_as_told_is_let_through() -> None:
    clock = Clock()
    buckets: TokenBuckets[str] = TokenBuckets(Rate(3, 10), clock)
    taken(buckets)
    clock.now += buckets.wait("x") * 1.000001
    assert taken(buckets) == 1


@given(st.lists(st.floats(0, 5), min_size=1, max_size=50), st.integers(1, 20), st.floats(0.1, 100))
def test_no_more_than_burst_and_rate_is_ever_let_through(pauses: list[float], burst: int, per_second: float) -> None:
    clock = Clock()
    buckets: TokenBuckets[str] = TokenBuckets(Rate(per_second, burst), clock)
    begun, count = clock.now, 0
    for pause in pauses:
        clock.now += pause
        count += taken(buckets, tries=30)
        assert count <= burst + (clock.now - begun) * per_second + 0.01


def test_full_buckets_are_forgotten_and_the_rest_is_bounded() -> None:
    clock = Clock()
    buckets: TokenBuckets[str] = TokenBuckets(Rate(1, 10), clock, limit=50)
    for number in range(200):
        buckets.take(f"user {number}")
    assert len(buckets) == 50
    clock.now += 60
    for number in range(60):
        buckets.take("busy")
        assert len(buckets) <= max(1, 50 - number)
    assert len(buckets) == 1


def test_without_a_rate_there_is_no_limit_and_nothing_is_remembered() -> None:
    buckets: TokenBuckets[str] = TokenBuckets(NO_LIMIT)
    assert (taken(buckets, tries=1_000), len(buckets)) == (1_000, 0)


def test_a_user_and_a_channel_are_limited_and_told_which_and_for_how_long() -> None:
    limits = RateLimits(Rate(1, 2), Rate(1, 3), NO_LIMIT, Clock())
    for _ in range(2):
        limits.count_write(ALICE)
    with pytest.raises(ResourceExhausted) as user:
        limits.count_write(ALICE)
    limits.count_write(BOB)
    for user_id in ("alice", "alice", "bob"):
        limits.count_append(write(user_id))
    with pytest.raises(ResourceExhausted) as channel:
        limits.count_append(write("bob"))
    for refusal, limit in ((user.value, "user"), (channel.value, "channel")):
        assert (refusal.reason, refusal.metadata) == (error_pb2.ERROR_REASON_RATE_LIMITED, {"limit": limit})
        assert refusal.retry_after_ms == 1_000
    limits.count_append(write("bob", "other"))


def test_what_its_sender_may_not_write_uses_up_nothing_of_a_channel() -> None:
    limits = RateLimits(NO_LIMIT, Rate(1, 1), NO_LIMIT, Clock())
    refused = write()
    refused.refusal = not_allowed(refused.grant)
    limits.count_append(refused)
    limits.count_append(write("bob"))


def test_server_keys_are_not_limited_and_use_up_nothing_of_others() -> None:
    limits = RateLimits(Rate(1, 1), Rate(1, 1), Rate(1, 1), Clock())
    for _ in range(10):
        limits.count_write(SERVER)
        limits.count_call(SERVER)
        limits.count_append(write(server=True))
    limits.count_append(write())


def test_calls_are_limited_per_user_and_per_visit_of_a_guest() -> None:
    clock = Clock()
    limits = RateLimits(NO_LIMIT, NO_LIMIT, Rate(2, 2), clock)
    guest, namesake, other_guest = (
        Caller("app", "", server=False, guest=name) for name in ("visit", "alice", "another")
    )
    for caller, limit in ((ALICE, "user"), (guest, "guest")):
        for _ in range(2):
            limits.count_call(caller)
        with pytest.raises(ResourceExhausted) as refusal:
            limits.count_call(caller)
        assert refusal.value.reason == error_pb2.ERROR_REASON_RATE_LIMITED
        assert refusal.value.metadata == {"limit": limit}
    for caller in (BOB, namesake, other_guest):
        limits.count_call(caller)
    clock.now += refusal.value.retry_after_ms / 1_000
    limits.count_call(ALICE)


async def test_what_would_be_said_only_once_waits_for_its_turn() -> None:
    begun = time.monotonic()
    limits = RateLimits(NO_LIMIT, NO_LIMIT, Rate(50, 1))
    for _ in range(3):
        await limits.next_call(ALICE)
    assert time.monotonic() - begun >= 2 / 50
    with pytest.raises(ResourceExhausted):
        limits.count_call(ALICE)
