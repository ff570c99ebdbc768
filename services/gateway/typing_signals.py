"""Typing signals on their way to presence. Nobody waits for them: what is too much is dropped."""

import asyncio
from typing import NamedTuple

import structlog
from tertulia_internal.presence.v1 import presence_pb2, presence_pb2_grpc

from libs.rpc.client import call
from libs.rpc.errors import TertuliaError
from services.gateway.grants import Grant
from services.gateway.one_in_flight import OneInFlight

log = structlog.get_logger()

MAX_BATCH = 1_000  # as AnnounceTypingRequest allows
MAX_WAITING = 4_000
_BURST = 10.0  # signals of one session at once: it starts and stops in a few channels
_PER_SECOND = 3.0  # a client repeats itself every 3 s, in one channel


class _Signal(NamedTuple):
    log_id: bytes
    user_id: str
    active: bool


class TypingRate:
    """How much one session may still signal."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = _BURST
        self._at = 0.0

    def allows(self, now: float) -> bool:
        """Whether a signal may go at `now`, in seconds of any steady clock. It is counted if so."""
        self._left = min(_BURST, self._left + (now - self._at) * _PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class TypingSignals:
    """Announces typing in channels of at most `max_members` members."""

    def __init__(self, stub: "presence_pb2_grpc.PresenceServiceAsyncStub", max_members: int) -> None:
        self._stub = stub
        self._max_members = max_members
        self._batches: OneInFlight[_Signal] = OneInFlight(self._announce, batch=MAX_BATCH, waiting=MAX_WAITING)

    def signal(self, grant: Grant, *, active: bool, rate: TypingRate | None) -> None:
        """Announce it soon, if it is not too much."""
        if grant.member_count > self._max_members:
            return
        if rate is None or rate.allows(asyncio.get_running_loop().time()):
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
