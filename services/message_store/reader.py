"""Reads the logs: ranges and heads. Nothing is told of what is not durable."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from libs.log_store import Head, Kind, LogKey, LogStore, Seq, StoreUnavailable
from services.message_store.states import LogStates

MAX_ROWS = 1_000
"""How many rows one read scans at most."""

MAX_READ_BYTES = 1024 * 1024
"""One read ends with the event that reaches this."""

_BARRIER_SECONDS = 3.0  # to be answered before the 5 s after which a caller stops waiting


class Page(NamedTuple):
    """What one read found."""

    events: list[bytes]
    """Messages with their states."""
    from_seq: Seq
    """The first seq scanned."""
    to_seq: Seq
    """The last seq scanned; from_seq - 1: none."""
    head_seq: Seq


class LogReader:
    """Answers what is asked about logs. Every method may raise StoreUnavailable."""

    def __init__(self, store: LogStore, states: LogStates) -> None:
        self._store = store
        self._states = states

    async def read(
        self, log: LogKey, from_seq: Seq, to_seq: Seq, *, limit: int, backward: bool, messages_only: bool
    ) -> Page:
        """At most `limit` events of a range, the newest ones if `backward`."""
        (head,) = await self.heads([log], with_last_message=False)
        first, last = from_seq, Seq(min(to_seq, head.seq))
        kept: list[bytes] = []
        low, high = first, last  # what is still to be scanned
        scanned = size = 0
        while low <= high and len(kept) < limit and scanned < MAX_ROWS and size < MAX_READ_BYTES:
            found = await self._store.read(
                log,
                low,
                high,
                limit=min(limit - len(kept), MAX_ROWS - scanned),
                max_bytes=MAX_READ_BYTES - size,
                backward=backward,
            )
            if not found:
                break
            scanned += len(found)
            events = [event for _, kind, event in found if kind is Kind.MESSAGE or not messages_only]
            size += sum(map(len, events))
            if backward:
                kept = events + kept
                high = Seq(found[0].seq - 1)
            else:
                kept += events
                low = Seq(found[-1].seq + 1)
        if backward:
            return Page(kept, Seq(high + 1), last, head.seq)
        return Page(kept, first, Seq(low - 1), head.seq)

    async def heads(self, logs: Sequence[LogKey], *, with_last_message: bool) -> list[Head]:
        """The heads of logs, in their order: from memory where they are there."""
        known = [None if (state := self._states.peek(log)) is None else state.head for log in logs]
        missing = [log for log, head in zip(logs, known, strict=True) if head is None]
        if len(missing) < len(logs):
            try:
                async with asyncio.timeout(_BARRIER_SECONDS):
                    await self._store.barrier()
            except TimeoutError:
                raise StoreUnavailable(writing=False) from None
        if not missing:
            return [head for head in known if head is not None]
        found = iter(await self._store.heads(missing, with_last_message=with_last_message))
        return [next(found) if head is None else head for head in known]
