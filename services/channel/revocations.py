"""Tokens that the application's back end takes back."""

from collections.abc import Callable, Sequence

from tertulia.chat.v1 import error_pb2
from tertulia_internal.bus.v1 import signal_pb2

from libs.bus import Bus
from libs.bus.port import BusUnavailable
from libs.bus.subjects import REVOCATIONS
from libs.directory.revocations import RevocationStore, TokenHolder
from libs.rpc.errors import FieldsInvalid, FieldViolation, Unavailable

_MAX_AHEAD_MS = 60_000
"""Of the clock of whoever makes tokens, before ours: a time far ahead would shut a user out whatever the back end says."""

_RETRY_MS = 500


class Revocations:
    """Keeps them, and tells the gateways."""

    def __init__(self, store: RevocationStore, bus: Bus, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._bus = bus
        self._now_ms = now_ms

    async def revoke(self, holder: TokenHolder, issued_before_ms: int) -> int:
        """Refuse tokens that were issued before a time (0: now), for ever; return the time that holds. Safe to repeat.

        Raises:
            FieldsInvalid: the time is too far ahead.
            Unavailable: OUTCOME_UNKNOWN: it is kept, but the gateways could not be told.
        """
        now_ms = self._now_ms()
        if issued_before_ms > now_ms + _MAX_AHEAD_MS:
            raise FieldsInvalid([FieldViolation("issued_before_ms", "at most a minute later than now")])
        await self._store.advance(holder, issued_before_ms or now_ms)
        [held_ms] = await self._store.get([holder])
        signal = signal_pb2.TokensRevoked(**holder._asdict(), issued_before_ms=held_ms)
        try:
            await self._bus.publish(REVOCATIONS, signal.SerializeToString())
            await self._bus.flush()
        except BusUnavailable:
            raise Unavailable(
                "the tokens are revoked, but the gateways could not be told; repeat the call",
                error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
                retry_after_ms=_RETRY_MS,
            ) from None
        return held_ms

    async def of(self, holders: Sequence[TokenHolder]) -> list[int]:
        """Before which times tokens of these are refused, as the user's or the session's; 0: none is."""
        users = [holder._replace(session_id="") for holder in holders]
        times = await self._store.get([*users, *holders])
        return [max(pair) for pair in zip(times[: len(holders)], times[len(holders) :], strict=True)]
