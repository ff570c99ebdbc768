"""Typing signals on their way to presence. Nobody waits for them: what is too much is dropped."""

from typing import NamedTuple

import structlog
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.rpc.client import call
from libs.rpc.errors import TertuliaError
from services.gateway.grants import Grant
from services.gateway.one_in_flight import OneInFlight
from services.gateway.rate_limits import Rate, TokenBuckets

log = structlog.get_logger()

MAX_BATCH = 1_000  # as AnnounceTypingRequest allows
MAX_WAITING = 4_000
RATE = Rate(
    per_second=3, burst=10
)  # of one user: a client repeats itself every 3 s, and starts and stops in a few channels


class _Signal(NamedTuple):
    log_id: bytes
    user_id: str
    active: bool


class TypingSignals:
    """Announces typing in channels of at most `max_members` members."""

    def __init__(self, stub: "presence_pb2_grpc.PresenceServiceAsyncStub", max_members: int) -> None:
        self._stub = stub
        self._max_members = max_members
        self._rates: TokenBuckets[tuple[str, str]] = TokenBuckets(RATE)
        self._batches: OneInFlight[_Signal] = OneInFlight(self._announce, batch=MAX_BATCH, waiting=MAX_WAITING)

    def signal(self, grant: Grant, *, active: bool) -> None:
        """Announce it soon, if it is not too much and the user may speak there."""
        user = (grant.log.application_id, grant.user_id)
        if grant.may_send and grant.member_count <= self._max_members and not self._rates.wait(user):
            self._rates.take(user)
            self._batches.add(_Signal(grant.log.log_id, grant.user_id, active))

    async def run(self) -> None:
        """Work, for ever."""
        await self._batches.run()

    async def _announce(self, signals: list[_Signal]) -> None:
        request = presence_pb2.AnnounceTypingRequest(
            signals=[
                presence_pb2.TypingSignal(log_id=signal.log_id, user_id=signal.user_id, active=signal.active)
                for signal in signals
            ]
        )
        try:
            await call(self._stub.AnnounceTyping, request)
        except TertuliaError as error:
            log.info("typing_not_announced", error=str(error))
