"""How much users may do, and how much may happen in a channel."""

import asyncio
import math
import time
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from tertulia.chat.v1 import error_pb2

from libs.rpc.caller import Caller
from libs.rpc.errors import ResourceExhausted
from services.gateway.appends import Append

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
    """Of this gateway. Server keys are not limited.

    Whoever asks for something takes a token before it is judged: what is refused has cost as much as what is done. Only what the limits
    of that user refuse takes none. A unary write has taken the token of its call before its own.
    """

    def __init__(
        self, user_writes: Rate, channel_writes: Rate, user_calls: Rate, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._user_writes: TokenBuckets[tuple[str, str]] = TokenBuckets(user_writes, clock)
        self._channel_writes: TokenBuckets[bytes] = TokenBuckets(channel_writes, clock)
        self._user_calls: TokenBuckets[tuple[str, str]] = TokenBuckets(user_calls, clock)
        # apart from those of users: their visits may be many, and would push them out
        self._guest_calls: TokenBuckets[tuple[str, str]] = TokenBuckets(user_calls, clock)

    def count_call(self, caller: Caller) -> None:
        """A unary method is called, on a session too, or something that costs as much.

        Raises:
            ResourceExhausted: RATE_LIMITED: of a user, or a guest in one visit.
        """
        if caller.guest:
            _count(self._guest_calls, (caller.application_id, caller.guest), "you call too often", "guest")
        elif not caller.server:
            _count(self._user_calls, (caller.application_id, caller.user_id), "you call too often", "user")

    async def next_call(self, caller: Caller) -> None:
        """Count it when there is room for it: for what nobody says again if it is refused."""
        while True:
            try:
                self.count_call(caller)
            except ResourceExhausted as refusal:
                await asyncio.sleep(refusal.retry_after_ms / 1_000)
            else:
                return

    def count_write(self, caller: Caller) -> None:
        """Somebody wants to write.

        Raises:
            ResourceExhausted: RATE_LIMITED: of a user.
        """
        if not caller.server:
            _count(self._user_writes, (caller.application_id, caller.user_id), "you write too much at a time", "user")

    def count_append(self, append: Append) -> None:
        """A write goes to its channel's log, from somebody who is in there: outsiders use up nothing of a channel.

        Raises:
            ResourceExhausted: RATE_LIMITED: of the channel.
        """
        if not append.server and append.refusal is None:
            what = "too much is written in the channel at a time"
            _count(self._channel_writes, append.grant.log.log_id, what, "channel")


def _count(buckets: TokenBuckets[Key], key: Key, what: str, limit: str) -> None:
    if seconds := buckets.wait(key):
        raise _rate_limited(what, limit, seconds)
    buckets.take(key)


def _rate_limited(what: str, limit: str, seconds: float) -> ResourceExhausted:
    retry_after_ms = math.ceil(seconds * 1_000)
    return ResourceExhausted(
        f"{what}; try again in {retry_after_ms} ms",
        error_pb2.ERROR_REASON_RATE_LIMITED,
        metadata={"limit": limit},
        retry_after_ms=retry_after_ms,
    )
