"""Tokens of users that the application's back end took back: what this gateway has heard of, and asked for."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import structlog
from google.protobuf.message import DecodeError
from tertulia.chat.v1 import error_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.bus import Bus
from libs.bus.port import BusUnavailable
from libs.bus.subjects import REVOCATIONS
from libs.rpc.client import call
from libs.rpc.errors import TertuliaError, Unauthenticated
from services.gateway.cache import ExpiringCache
from services.gateway.identity import Identity
from services.gateway.stats import Stats

log = structlog.get_logger()

_REMEMBERED = 100_000
_HOLDERS_AT_ONCE = 1_000  # as the internal GetRevocationsRequest allows
_RETRY_SECONDS = 0.5  # while NATS or channel is away: far within the 5 s that a revocation may take once they are back
_SECOND_MS = 1_000

_Holder: TypeAlias = tuple[str, str, str]
"""Application, user, and session or nothing."""


class Revocations:
    """Heard on the bus, and asked of channel where nothing can have been heard: of a token that is new here, and of all open
    sessions after the bus was disturbed. What was learnt is remembered for `seconds`: longer than a token is believed without
    asking, so that a gateway that has heard of a revocation never lets its token in again.
    """

    def __init__(
        self, access: "access_pb2_grpc.AccessServiceAsyncStub", bus: Bus, seconds: float, stats: Stats
    ) -> None:
        self._access = access
        self._bus = bus
        self._seconds = seconds
        self._stats = stats
        self._times_ms: ExpiringCache[_Holder, int] = ExpiringCache(_REMEMBERED)
        self._news: set[tuple[str, str]] = set()
        self._disturbed = asyncio.Event()
        bus.on_disturbance(self._disturbed.set)

    def refuse(self, identity: Identity) -> None:
        """Raises Unauthenticated, TOKEN_REVOKED, if the token is known to be revoked."""
        application_id, user_id = identity.caller.application_id, identity.caller.user_id
        for session_id in {"", identity.session_id}:
            time_ms = self._times_ms.get((application_id, user_id, session_id))
            if time_ms is not None and identity.issued_at * _SECOND_MS < time_ms:
                raise Unauthenticated("the token was revoked; get a new one", error_pb2.ERROR_REASON_TOKEN_REVOKED)

    async def ask(self, identities: Sequence[Identity]) -> None:
        """Learn of at most 1,000 tokens whether they are revoked. Those of server keys are not.

        Raises:
            TertuliaError: channel does not answer.
        """
        holders = [
            access_pb2.TokenHolder(
                application_id=identity.caller.application_id,
                user_id=identity.caller.user_id,
                session_id=identity.session_id,
            )
            for identity in identities
            if identity.caller.user_id
        ]
        if not holders:
            return
        response = await call(self._access.GetRevocations, access_pb2.GetRevocationsRequest(holders=holders))
        for holder, time_ms in zip(holders, response.issued_before_ms, strict=True):
            if time_ms:
                self._learn((holder.application_id, holder.user_id, holder.session_id), time_ms)

    def news(self) -> set[tuple[str, str]]:
        """Of whose tokens something was learnt since this was asked last: (application, user)."""
        news, self._news = self._news, set()
        return news

    async def run(self, identities: Callable[[], Iterable[Identity]]) -> None:
        """Listen, for ever. `identities`: of all sessions that are open."""
        while True:
            try:
                await self._bus.subscribe(REVOCATIONS, self._on_signal)
                await self._bus.flush()
                break
            except BusUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
        while True:  # at once: who came before the subscription may have been missed
            try:
                open_now = list(identities())
                for start in range(0, len(open_now), _HOLDERS_AT_ONCE):
                    await self.ask(open_now[start : start + _HOLDERS_AT_ONCE])
            except TertuliaError as error:
                log.warning("revocations_not_refreshed", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await self._disturbed.wait()
                self._disturbed.clear()

    def _on_signal(self, payload: bytes) -> None:
        try:
            signal = signal_pb2.TokensRevoked.FromString(payload)
        except DecodeError:
            self._stats.bad_signals += 1
            return
        self._learn((signal.application_id, signal.user_id, signal.session_id), signal.issued_before_ms)

    def _learn(self, holder: _Holder, time_ms: int) -> None:
        self._times_ms.put(holder, max(time_ms, self._times_ms.get(holder) or 0), self._seconds)
        self._news.add(holder[:2])
