"""Read positions on their way to channel: one batch at a time, of each position of a session only the highest."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

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


class Position(NamedTuple):
    """Whose, where, and of which session: those of several are not joined, so that none depends on what another asks for."""

    application_id: str
    user_id: str
    channel_id: str
    answers: Answers


class _Goal(NamedTuple):
    """Where a position is to go, and the name of who said so."""

    read_seq: int
    request_id: int


class Positions:
    """Advances read positions; each is tried for `try_seconds`. Repeating one is harmless."""

    def __init__(self, access: "access_pb2_grpc.AccessServiceAsyncStub", try_seconds: float) -> None:
        self._access = access
        self._try_seconds = try_seconds
        self._highest: dict[Position, _Goal] = {}
        """Of those that wait: a session takes no more room, and no more of channel's time, than its user has channels."""
        self._batches: OneInFlight[Position] = OneInFlight(self._advance, batch=MAX_BATCH, waiting=MAX_WAITING)

    def submit(self, position: Position, read_seq: int, request_id: int) -> None:
        """Take a position; its session hears only of a failure, and of several that wait only the highest can fail.

        Raises:
            ResourceExhausted: OVERLOADED: too much is waiting; the session hears nothing.
        """
        goal = _Goal(read_seq, request_id)
        waiting = self._highest.get(position)
        if waiting is not None:
            self._highest[position] = max(waiting, goal)
            position.answers.done()
        elif self._batches.add(position):
            self._highest[position] = goal
        else:
            raise ResourceExhausted(
                "too many read positions wait to be written; send it again later",
                error_pb2.ERROR_REASON_OVERLOADED,
                retry_after_ms=_OVERLOAD_RETRY_MS,
            )

    async def run(self) -> None:
        """Work, for ever."""
        await self._batches.run()

    async def _advance(self, batch: list[Position]) -> None:
        by_application: defaultdict[str, dict[Position, _Goal]] = defaultdict(dict)
        for position in batch:
            by_application[position.application_id][position] = self._highest.pop(position)
        for application_id, goals in by_application.items():
            try:
                results = await self._call(application_id, goals)
            except TertuliaError as error:
                for position, goal in goals.items():
                    position.answers.failed(goal.request_id, error)
            else:
                for (position, goal), result in zip(goals.items(), results, strict=True):
                    _tell(position, goal, result.refusal)
        for answers in {position.answers for position in batch}:
            answers.flush()

    async def _call(self, application_id: str, goals: Mapping[Position, _Goal]) -> Sequence[access_pb2.AdvanceResult]:
        request = access_pb2.AdvancePositionsRequest(
            application_id=application_id,
            advances=[
                access_pb2.PositionAdvance(
                    channel_id=position.channel_id, user_id=position.user_id, read_seq=goal.read_seq
                )
                for position, goal in goals.items()
            ],
        )
        deadline = asyncio.get_running_loop().time() + self._try_seconds
        wait = Backoff()
        while True:
            try:
                return (await call(self._access.AdvancePositions, request, timeout=self._try_seconds)).results
            except (Unavailable, DeadlineExceeded):
                if asyncio.get_running_loop().time() >= deadline:
                    raise
                await wait()


def _tell(position: Position, goal: _Goal, refusal: access_pb2.AdvanceRefusal.ValueType) -> None:
    if refusal == access_pb2.ADVANCE_REFUSAL_UNSPECIFIED:
        position.answers.done()
    elif refusal == access_pb2.ADVANCE_REFUSAL_ABOVE_HEAD:
        error = InvalidArgument("read_seq is above the channel's head", error_pb2.ERROR_REASON_POSITION_ABOVE_HEAD)
        position.answers.failed(goal.request_id, error)
    else:
        position.answers.failed(goal.request_id, channel_not_found(position.channel_id))
