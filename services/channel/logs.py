"""The logs in message_store, as this service uses them."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import structlog
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_owners import LogRouter
from libs.rpc.errors import DeadlineExceeded, ResourceExhausted, TertuliaError, Unavailable, internal
from libs.rpc.status import unavailable
from libs.runtime.logs import correlation_id

log = structlog.get_logger()
T = TypeVar("T")

_HEADS_A_CALL = 2_000  # of 10,000 cold logs a busy message_store does not find the heads within one deadline
_HEADS_WITH_MESSAGE_A_CALL = 60
"""A message is up to 64 KB long, as much again where it was edited, and 134 KB of reactions; an answer is up to 16 MiB."""

_COUNTS_A_CALL = 1_000  # LogService.Counts takes no more
_MENTIONS_A_CALL = 1_000  # LogService.MentionCounts takes no more
_MENTIONS_CALL_BYTES = 1024 * 1024  # each query names all whom the user has blocked
_SCANS = 100  # each covers 10,000 events of a search for an earlier try
_RETRY_MS = 500


class Logs:
    """Calls of LogService. What reads raise is UNAVAILABLE: nothing was done; an append's outcome may be unknown."""

    def __init__(self, router: LogRouter) -> None:
        self._router = router

    async def append(self, items: Sequence[log_pb2.AppendItem]) -> list[int]:
        """Append all items, or find those that were appended by an earlier try; return their seqs.

        Raises:
            Unavailable: OUTCOME_UNKNOWN: some or all may not be there. Repeat the same items.
            Internal: an item was refused, as it will always be: the logs and the directory contradict each other.
        """
        waiting = list(items)
        for _ in range(_SCANS):
            results = await self._try(waiting)
            for item, result in zip(waiting, results, strict=True):
                if result.refusal == log_pb2.APPEND_REFUSAL_DEDUP_SCAN_LIMIT:
                    item.after_seq = result.seq
                elif result.refusal == log_pb2.APPEND_REFUSAL_OVERLOADED:
                    raise _unknown()
                elif result.refusal:
                    log.error("append_refused", refusal=log_pb2.AppendRefusal.Name(result.refusal), id=item.client_id)
                    raise internal(correlation_id.get())
            if not any(result.refusal for result in results):
                return [result.seq for result in results]
        log.error("append_not_found_in_time", scans=_SCANS)
        raise _unknown()

    async def heads(self, keys: Sequence[log_pb2.LogKey], *, with_last_message: bool = False) -> list[log_pb2.Head]:
        """The heads of logs, in order."""
        size = _HEADS_WITH_MESSAGE_A_CALL if with_last_message else _HEADS_A_CALL
        heads: list[log_pb2.Head] = []
        for part in _parts(keys, size):
            try:
                heads.extend(await self._router.heads(part, with_last_message=with_last_message))
            except (Unavailable, DeadlineExceeded) as error:
                raise unavailable("message_store") from error
        return heads

    async def counts(self, positions: Sequence[log_pb2.LogPosition]) -> list[int]:
        """The message counts at places of logs, in order; -1 above the head."""
        counts: list[int] = []
        for part in _parts(positions, _COUNTS_A_CALL):
            try:
                counts.extend(await self._router.counts(part))
            except (Unavailable, DeadlineExceeded) as error:
                raise unavailable("message_store") from error
        return counts

    async def mention_counts(self, queries: Sequence[log_pb2.MentionQuery]) -> list[int]:
        """How many messages mention, in order; 100 says 100 or more."""
        counts: list[int] = []
        longest = max((query.ByteSize() for query in queries), default=1)
        for part in _parts(queries, max(1, min(_MENTIONS_A_CALL, _MENTIONS_CALL_BYTES // longest))):
            try:
                counts.extend(await self._router.mention_counts(part))
            except (Unavailable, DeadlineExceeded) as error:
                raise unavailable("message_store") from error
        return counts

    async def _try(self, items: Sequence[log_pb2.AppendItem]) -> list[log_pb2.AppendResult]:
        results: list[log_pb2.AppendResult] = []
        for outcome in await self._router.append_all(items):
            if isinstance(outcome, Unavailable | DeadlineExceeded | ResourceExhausted):
                raise _unknown() from outcome
            if isinstance(outcome, TertuliaError):  # our request is at fault, which is nothing to tell a client
                raise internal(correlation_id.get()) from outcome
            results.append(outcome)
        return results


def _unknown() -> Unavailable:
    return Unavailable(
        "the change is recorded and will be completed; repeat the call to wait for it",
        error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
        retry_after_ms=_RETRY_MS,
    )


def _parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(whole), size):
        yield whole[start : start + size]
