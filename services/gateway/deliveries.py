"""Delivered positions on their way to channel: one batch at a time, of each position only the highest."""

import asyncio
from collections import defaultdict
from typing import NamedTuple

import structlog
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.client import call
from libs.rpc.errors import DeadlineExceeded, TertuliaError, Unavailable
from services.gateway.grants import Grant
from services.gateway.one_in_flight import OneInFlight

log = structlog.get_logger()

MAX_BATCH = 1_000  # as AdvanceDeliveredRequest allows
MAX_WAITING = 20_000
_RETRY_SECONDS = 0.5


class _Position(NamedTuple):
    application_id: str
    channel_id: str
    user_id: str


class Deliveries:
    """Advances delivered positions in channels of at most `max_members` members. Nobody waits; what is too much is dropped:
    the next position of the channel says it all."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub", max_members: int) -> None:
        self._access = access
        self._max_members = max_members
        self._highest: dict[_Position, int] = {}
        """Of those that wait."""
        self._batches: OneInFlight[_Position] = OneInFlight(self._advance, batch=MAX_BATCH, waiting=MAX_WAITING)

    def mark(self, grant: Grant, delivered_seq: int) -> None:
        """Everything up to a seq has reached a device of the grant's user."""
        if grant.member_count <= self._max_members:
            self._mark(_Position(grant.log.application_id, grant.channel_id, grant.user_id), delivered_seq)

    async def run(self) -> None:
        """Work, for ever."""
        await self._batches.run()

    def _mark(self, position: _Position, seq: int) -> None:
        if position in self._highest:
            self._highest[position] = max(seq, self._highest[position])
        elif self._batches.add(position):
            self._highest[position] = seq

    async def _advance(self, batch: list[_Position]) -> None:
        by_application: defaultdict[str, dict[_Position, int]] = defaultdict(dict)
        for position in batch:
            by_application[position.application_id][position] = self._highest.pop(position)
        for application_id, positions in by_application.items():
            request = access_pb2.AdvanceDeliveredRequest(
                application_id=application_id,
                advances=[
                    access_pb2.DeliveredAdvance(
                        channel_id=position.channel_id, user_id=position.user_id, delivered_seq=seq
                    )
                    for position, seq in positions.items()
                ],
            )
            try:
                await call(self._access.AdvanceDelivered, request)
            except (Unavailable, DeadlineExceeded) as error:
                log.info("deliveries_wait", positions=len(positions), error=str(error))
                for position, seq in positions.items():
                    self._mark(position, seq)
                await asyncio.sleep(_RETRY_SECONDS)
            except TertuliaError as error:
                log.warning("deliveries_refused", positions=len(positions), error=str(error))
