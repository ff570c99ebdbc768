"""The logs, as message_store tells of them."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from tertulia_internal.message_store.v1 import log_pb2

from libs.log_owners import LogRouter
from services.gateway.cache import SharedCalls
from services.gateway.segments import Segment, segments_of_read

READ_EVENTS = 1_000  # the most that one Read returns
_CONCURRENT_READS = 64  # for sessions that catch up, however many come back at once
MAX_SEQ = 2**53 - 1
HEADS_AT_ONCE = 5_000  # logs per Heads: about 300 KB of request


class LogName(NamedTuple):
    """A log and the application that it belongs to."""

    application_id: str
    log_id: bytes


class LogClient:
    """Reads logs. Every method raises TertuliaError when message_store does not answer."""

    def __init__(self, logs: LogRouter) -> None:
        self._logs = logs
        self._reading = asyncio.Semaphore(_CONCURRENT_READS)
        self._reads: SharedCalls[tuple[LogName, int, int], list[Segment]] = SharedCalls()

    async def segments(self, log: LogName, from_seq: int, to_seq: int) -> list[Segment]:
        """The first events of a range, framed: as many as come with one call, up to the head.

        Sessions that come back together ask for the same ranges, and share the call and the frames.
        """
        return await self._reads.call((log, from_seq, to_seq), lambda: self._segments(log, from_seq, to_seq))

    async def _segments(self, log: LogName, from_seq: int, to_seq: int) -> list[Segment]:
        async with self._reading:
            response = await self.read(log, from_seq, to_seq, READ_EVENTS)
        return list(segments_of_read(log.log_id, response))

    async def read(
        self,
        log: LogName,
        from_seq: int,
        to_seq: int,
        limit: int,
        *,
        backward: bool = False,
        messages_only: bool = False,
    ) -> log_pb2.ReadResponse:
        """As LogService.Read."""
        request = log_pb2.ReadRequest(
            log=_key(log),
            from_seq=from_seq,
            to_seq=to_seq,
            limit=limit,
            backward=backward,
            messages_only=messages_only,
        )
        return await self._logs.read(request)

    async def heads(self, logs: Sequence[LogName]) -> Sequence[log_pb2.Head]:
        """The heads of at most `HEADS_AT_ONCE` logs."""
        return await self._logs.heads([_key(log) for log in logs])


def _key(log: LogName) -> log_pb2.LogKey:
    return log_pb2.LogKey(application_id=log.application_id, log_id=log.log_id)
