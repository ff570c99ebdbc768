"""Read positions on their way to channel, in batches, one at a time."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from tertulia.chat.v1 import error_pb2
from tertulia_internal.channel.v1 import access_pb2, access_pb2_grpc

from libs.rpc.client import call
from libs.rpc.errors import (
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    TertuliaError,
    Unavailable,
    channel_not_found,
)
from services.gateway.answers import Answers
from services.gateway.backoff import Backoff
from services.gateway.one_in_flight import OneInFlight

MAX_BATCH = 1_000  # as AdvancePositionsRequest allows
MAX_WAITING = 20_000
_OVERLOAD_RETRY_MS = 1_000


@dataclass(slots=True, eq=False)
class Advance:
    """A position that a session's user has reached."""

    answers: Answers
    request_id: int
    application_id: str
    user_id: str
    channel_id: str
    read_seq: int


class Positions:
    """Advances read positions; each is tried for `try_seconds`. Repeating one is harmless."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub", try_seconds: float) -> None:
        self._access = access
        self._try_seconds = try_seconds
        self._batches: OneInFlight[Advance] = OneInFlight(self._advance, batch=MAX_BATCH, waiting=MAX_WAITING)

    def submit(self, advance: Advance) -> None:
        """Take a position; its session hears only of a failure.

        Raises:
            ResourceExhausted: OVERLOADED: too much is waiting; the session hears nothing.
        """
        if not self._batches.add(advance):
            raise ResourceExhausted(
                "too many read positions wait to be written; send it again later",
                error_pb2.ERROR_REASON_OVERLOADED,
                retry_after_ms=_OVERLOAD_RETRY_MS,
            )

    async def run(self) -> None:
        """Work, for ever."""
        await self._batches.run()

    async def _advance(self, batch: list[Advance]) -> None:
        by_application: defaultdict[str, list[Advance]] = defaultdict(list)
        for advance in batch:
            by_application[advance.application_id].append(advance)
        for application_id, advances in by_application.items():
            try:
                results = await self._call(application_id, advances)
            except TertuliaError as error:
                for advance in advances:
                    advance.answers.failed(advance.request_id, error)
            else:
                for advance, result in zip(advances, results, strict=True):
                    _tell(advance, result.refusal)
        for answers in {advance.answers for advance in batch}:
            answers.flush()

    async def _call(self, application_id: str, advances: list[Advance]) -> list[access_pb2.AdvanceResult]:
        request = access_pb2.AdvancePositionsRequest(
            application_id=application_id,
            advances=[
                access_pb2.PositionAdvance(channel_id=a.channel_id, user_id=a.user_id, read_seq=a.read_seq)
                for a in advances
            ],
        )
        deadline = asyncio.get_running_loop().time() + self._try_seconds
        wait = Backoff()
        while True:
            try:
                response = await call(self._access.AdvancePositions, request, timeout=self._try_seconds)
                return list(response.results)
            except (Unavailable, DeadlineExceeded):
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await wait()


def _tell(advance: Advance, refusal: access_pb2.AdvanceRefusal.ValueType) -> None:
    if refusal == access_pb2.ADVANCE_REFUSAL_UNSPECIFIED:
        advance.answers.done()
    elif refusal == access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD:
        error = InvalidArgument("read_seq is above the channel's head", error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD)
        advance.answers.failed(advance.request_id, error)
    else:
        advance.answers.failed(advance.request_id, channel_not_found(advance.channel_id))
