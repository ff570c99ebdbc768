"""Makes appends durable: one flush in flight; what arrives meanwhile is the next one. No timers."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import LogKey, LogStore, Millis, SeqTaken, StoreUnavailable
from libs.rpc.errors import Unavailable
from services.message_store.items import Item
from services.message_store.look_back import LookBack
from services.message_store.metrics import AppendMetrics
from services.message_store.publisher import Appended, Publisher
from services.message_store.sequencer import LogState
from services.message_store.states import LogStates

log = structlog.get_logger()

MAX_OPEN_BYTES = 64 * 1024 * 1024
"""Of requests that are not answered yet; beyond it they are refused with OVERLOADED."""

ANSWER_SECONDS = 4.0
"""When a request has no outcome by then, its sender is told so: before the 5 s after which a caller stops waiting."""

_MAX_FLUSH_BYTES = 4 * 1024 * 1024  # keeps the time of a flush, and so the wait of the next, well below a second
_ITEM_BYTES = 600  # what an item takes in memory beside its content, measured


class _Request:
    """Items that are answered together."""

    __slots__ = ("done", "items", "size_bytes", "states")

    def __init__(self, items: Sequence[Item], states: dict[LogKey, LogState], size_bytes: int) -> None:
        self.items = items
        self.states = states
        self.size_bytes = size_bytes
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """True: the items have their outcome. False: their logs moved on, look back again."""


class Committer:
    """Numbers, writes, answers and publishes. `run` is its one task."""

    def __init__(
        self,
        store: LogStore,
        states: LogStates,
        publisher: Publisher,
        metrics: AppendMetrics,
        now_ms: Callable[[], Millis],
    ) -> None:
        self._store = store
        self._states = states
        self._look_back = LookBack(store, states)
        self._publisher = publisher
        self._metrics = metrics
        self._now_ms = now_ms
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._flushing: Sequence[_Request] = ()
        self._open_bytes = 0
        self._ended = False

    async def append(self, items: Sequence[Item]) -> None:
        """Append items; each has its outcome on return, durable where it has a seq.

        Raises:
            Unavailable: of no item the outcome is known; the same request may be repeated.
        """
        size_bytes = sum(len(item.content) + _ITEM_BYTES for item in items)
        if self._open_bytes + size_bytes > MAX_OPEN_BYTES:
            for item in items:
                item.refuse(log_pb2.APPEND_REFUSAL_OVERLOADED)
            self._metrics.answered(items)
            return
        self._open_bytes += size_bytes
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not await self._attempt(items, size_bytes):
                    pass  # the log moved on by a thousand events, or lost its state, in between
        except TimeoutError:
            self._metrics.unknown(items)
            raise _outcome_unknown("the log store does not answer; try again under the same client id") from None
        except Unavailable:
            self._metrics.unknown(items)
            raise
        finally:
            self._open_bytes -= size_bytes
        self._metrics.answered(items)

    async def _attempt(self, items: Sequence[Item], size_bytes: int) -> bool:
        """Whether the items have their outcome; if not, look back again."""
        if self._ended:
            raise _outcome_unknown("the log has another owner now; try again under the same client id")
        request = _Request(items, await self._look_back.prepare(items), size_bytes)
        self._waiting.append(request)
        self._wake.set()
        try:
            return await request.done
        except asyncio.CancelledError:
            with suppress(ValueError):  # it is in a flush already
                self._waiting.remove(request)
            raise

    async def run(self) -> None:
        """Flush what waits, for ever.

        Raises:
            Fenced: another process owns the logs. What was not answered is not known here, and said to be so.
        """
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._flush(self._next_requests())
        finally:
            self._ended = True
            for request in (*self._flushing, *self._waiting):
                if not request.done.done():
                    request.done.set_exception(_outcome_unknown("the log has another owner now; try again"))

    def _next_requests(self) -> list[_Request]:
        """Those of the next flush. One whose caller went away is dropped; one that cannot be judged is sent back."""
        taken: list[_Request] = []
        size_bytes = 0
        while self._waiting and size_bytes < _MAX_FLUSH_BYTES:
            request = self._waiting.popleft()
            if request.done.cancelled():
                continue
            if all(request.states[item.log].can_judge(item) for item in request.items):
                taken.append(request)
                size_bytes += request.size_bytes
            else:
                request.done.set_result(False)
        return taken

    async def _flush(self, requests: list[_Request]) -> None:
        self._flushing = requests
        now_ms = self._now_ms()
        touched: dict[LogKey, LogState] = {}
        for request in requests:
            touched.update(request.states)
            for item in request.items:
                request.states[item.log].take(item, now_ms)
        writing = [state for state in touched.values() if state.pending]
        failed = await self._write(writing) if writing else {}
        for state in failed:
            self._states.discard(state)
        settled = [(state, state.settle()) for state in touched.values() if state not in failed]
        appended = [Appended(state.log, rows, state.head) for state, rows in settled if rows]
        self._states.used(state for state in touched.values() if not state.discarded)
        for request in requests:
            self._answer(request, failed)
        await self._publisher.ring(appended)

    async def _write(self, states: list[LogState]) -> dict[LogState, Exception]:
        """Write what is pending. Returns the logs of which it is not durable."""
        failed: dict[LogState, Exception] = {}
        begun = time.perf_counter()
        remaining = states
        while remaining:
            try:
                await self._store.append([state.batch() for state in remaining])
            except SeqTaken as taken:
                # memory was wrong about this log. The others' rows were undone with it: write them again
                log.exception("log_state_wrong", log_id=taken.log.log_id.hex(), seq=taken.seq)
                failed.update(
                    (state, _outcome_unknown("the log is being recovered; try again under the same client id"))
                    for state in remaining
                    if state.log == taken.log
                )
                remaining = [state for state in remaining if state.log != taken.log]
            except StoreUnavailable as error:
                failed.update((state, error) for state in remaining)
                break
            else:
                await self._store.barrier()
                break
        self._metrics.flushed(sum(len(state.pending) for state in states), time.perf_counter() - begun)
        return failed

    def _answer(self, request: _Request, failed: dict[LogState, Exception]) -> None:
        if request.done.cancelled():
            return
        error = self._doubt(request, failed) if failed else None
        if error is None:
            request.done.set_result(True)
        else:
            request.done.set_exception(error)

    def _doubt(self, request: _Request, failed: dict[LogState, Exception]) -> Exception | None:
        """Why an item's outcome is unknown: it depends on events that did not become durable. None: all are sure."""
        for item in request.items:
            state = request.states[item.log]
            if state in failed and (item.refusal or item.rests_on_seq > state.head.seq):
                return failed[state]
        return None


def _outcome_unknown(message: str) -> Unavailable:
    return Unavailable(message, error_pb2.ERROR_REASON_OUTCOME_UNKNOWN, retry_after_ms=100)
