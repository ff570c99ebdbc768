"""How much users may do, and how much may happen in a channel."""

import math
import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import ResourceExhausted
from services.gateway.appends import Append
from services.gateway.methods import Method, Methods

_BUCKETS = 100_000  # of each kind, about 200 bytes each; the ones least recently used make room, and begin full
_ROUNDING_SECONDS = 1e-6  # sums of floats are not exact: a token that is there but for this is there

Key = TypeVar("Key", bound=Hashable)


class Rate(NamedTuple):
    """What is allowed in the long run, and at once after a rest."""

    per_second: float
    """0: as much as anybody likes."""
    burst: int


class TokenBuckets(Generic[Key]):
    """A bucket of `burst` tokens per key, refilled with `per_second`.

    All that is kept of a bucket is when it will be full again; those that are full are forgotten. `clock` counts seconds.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic, limit: int = _BUCKETS) -> None:
        self._clock = clock
        self._limit = limit
        self._token_seconds = 1 / rate.per_second if rate.per_second else 0.0
        self._spare_seconds = (rate.burst - 1) * self._token_seconds + _ROUNDING_SECONDS
        self._full_at: dict[Key, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: Key) -> float:
        """In how many seconds there is a token; 0: now."""
        full_at = self._full_at.get(key)
        return 0.0 if full_at is None else max(0.0, full_at - self._clock() - self._spare_seconds)

    def take(self, key: Key) -> None:
        """Take a token, whether there is one or not."""
        if not self._token_seconds:
            return
        now = self._clock()
        full_at = max(self._full_at.pop(key, now), now) + self._token_seconds
        for _ in range(2):  # more than one comes in here: the full ones go, the least recently used first
            oldest = next(iter(self._full_at), None)
            if oldest is None or (self._full_at[oldest] > now and len(self._full_at) < self._limit):
                break
            del self._full_at[oldest]
        self._full_at[key] = full_at


class RateLimits:
    """Of this gateway. What is refused is not counted; server keys are not limited."""

    def __init__(
        self, user_writes: Rate, channel_writes: Rate, user_calls: Rate, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._user_writes: TokenBuckets[tuple[str, str]] = TokenBuckets(user_writes, clock)
        self._channel_writes: TokenBuckets[bytes] = TokenBuckets(channel_writes, clock)
        self._user_calls: TokenBuckets[tuple[str, str]] = TokenBuckets(user_calls, clock)
        # apart from those of users: their visits may be many, and would push them out
        self._guest_calls: TokenBuckets[tuple[str, str]] = TokenBuckets(user_calls, clock)

    def count_write(self, append: Append) -> None:
        """A write that is allowed otherwise: outsiders use up nothing of a channel.

        Raises:
            ResourceExhausted: RATE_LIMITED.
        """
        if append.server:
            return
        log = append.grant.log
        user = (log.application_id, append.grant.user_id)
        if seconds := self._user_writes.wait(user):
            raise _rate_limited("you write too much at a time", "user", seconds)
        if seconds := self._channel_writes.wait(log.log_id):
            raise _rate_limited("too much is written in the channel at a time", "channel", seconds)
        self._user_writes.take(user)
        self._channel_writes.take(log.log_id)

    def limited(self, methods: Methods) -> Methods:
        """The same methods, each refusing with RATE_LIMITED a user, or a guest in one visit, who calls too often."""
        return {name: self._limited(method) for name, method in methods.items()}

    def _limited(self, method: Method) -> Method:
        async def call(caller: Caller, request: bytes) -> bytes:
            if caller.guest:
                _count_call(self._guest_calls, (caller.application_id, caller.guest), "guest")
            elif not caller.server:
                _count_call(self._user_calls, (caller.application_id, caller.user_id), "user")
            return await method(caller, request)

        return call


def _count_call(calls: TokenBuckets[tuple[str, str]], who: tuple[str, str], limit: str) -> None:
    if seconds := calls.wait(who):
        raise _rate_limited("you call too often", limit, seconds)
    calls.take(who)


def _rate_limited(what: str, limit: str, seconds: float) -> ResourceExhausted:
    retry_after_ms = math.ceil(seconds * 1_000)
    return ResourceExhausted(
        f"{what}; try again in {retry_after_ms} ms",
        error_pb2.ERROR_REASON_RATE_LIMITED,
        metadata={"limit": limit},
        retry_after_ms=retry_after_ms,
    )
