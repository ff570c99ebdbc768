"""Unary calls on the session."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable

from tertulia.backoff import Backoff
from tertulia.chat.v1 import session_pb2
from tertulia.errors import NOT_ENTERED, ClientClosed, OutcomeUnknown, Refused, TertuliaError, Unreachable
from tertulia.sends import FRAME_BYTES, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS

MAX_IN_FLIGHT = 8
"""Calls that are written and not answered: as many as the server works on. Behind a further one, sends would wait unread."""

MAX_OPEN = 1_024
"""Calls that may be open at once; a further one waits for its turn, within its own deadline."""


class _Pending:
    """A call without an answer."""

    __slots__ = ("answer", "backoff", "call", "refusal", "repeat", "written")

    def __init__(self, call: session_pb2.Call, repeat: bool) -> None:
        self.call = call
        self.repeat = repeat
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.written = False
        self.refusal: Refused | None = None
        self.backoff = Backoff(RETRY_BASE_SECONDS, RETRY_CAP_SECONDS)

    def gave_up(self, seconds: float) -> TertuliaError:
        """The error when the caller's deadline has passed."""
        if self.refusal is not None and self.refusal.reason != "OUTCOME_UNKNOWN":
            return self.refusal
        if not self.written:
            return Unreachable(f"no server took the call {self.call.method} within {seconds:g} s; nothing was done")
        return OutcomeUnknown(f"no answer to {self.call.method} within {seconds:g} s; whether it was done is not known")


class Calls:
    """All calls without an answer. `wake` is called when there is something to write."""

    def __init__(self, ids: "itertools.count[int]", wake: Callable[[], None]) -> None:
        self._ids = ids
        self._wake = wake
        self._waiting: deque[_Pending] = deque()
        self._in_flight: dict[int, _Pending] = {}
        self._pausing: set[_Pending] = set()
        self._room = asyncio.Semaphore(MAX_OPEN)
        self._broken: TertuliaError | None = ClientClosed(NOT_ENTERED)

    async def call(self, method: str, request: bytes, as_user: str, timeout: float, repeat: bool) -> bytes:
        """Call `"<Service>/<Method>"`. Where `repeat` allows, again after a broken connection and after refusals that are
        worth another try.

        Raises:
            Refused: the server said no.
            Unreachable, OutcomeUnknown: no answer within `timeout` seconds; or the connection broke, without `repeat`.
        """
        request_id = next(self._ids)
        pending = _Pending(
            session_pb2.Call(request_id=request_id, method=method, request=request, as_user_id=as_user), repeat
        )
        try:
            async with asyncio.timeout(timeout), self._room:
                if self._broken is not None:
                    raise self._broken.with_traceback(None)  # else it grows each time
                self._waiting.append(pending)
                self._wake()
                try:
                    return await pending.answer
                finally:
                    self._forget(pending)
        except TimeoutError:
            raise pending.gave_up(timeout) from None

    def add_to(self, frame: session_pb2.ClientFrame) -> int:
        """Add what may go out now; answers its size in bytes."""
        size = 0
        while self._waiting and len(self._in_flight) < MAX_IN_FLIGHT:
            pending = self._waiting[0]
            if pending.answer.done():  # its caller gave up just now
                self._waiting.popleft()
                continue
            if size and size + len(pending.call.request) > FRAME_BYTES:
                self._wake()
                break
            self._waiting.popleft()
            pending.written = True
            self._in_flight[pending.call.request_id] = pending
            frame.calls.append(pending.call)
            size += len(pending.call.request)
        return size

    def on_reply(self, reply: session_pb2.Reply) -> None:
        pending = self._taken(reply.request_id)
        if pending is not None:
            pending.answer.set_result(reply.response)

    def on_refusal(self, request_id: int, refusal: Refused) -> bool:
        """Answers whether it was for one of these."""
        pending = self._taken(request_id)
        if pending is None:
            return False
        if not (pending.repeat and refusal.retryable):
            pending.answer.set_exception(refusal)
            return True
        pending.refusal = refusal
        self._pausing.add(pending)
        asyncio.get_running_loop().call_later(
            refusal.retry_after_ms / 1000 + pending.backoff.next(), self._again, pending
        )
        return True

    def disconnected(self) -> None:
        for pending in reversed(self._in_flight.values()):
            if pending.repeat:
                self._waiting.appendleft(pending)
            elif not pending.answer.done():
                pending.answer.set_exception(
                    OutcomeUnknown(f"the connection broke before the answer to {pending.call.method}")
                )
        self._in_flight.clear()

    def open(self) -> None:
        """There will be a session."""
        self._broken = None

    def fail(self, error: TertuliaError) -> None:
        """There will be no session any more: all who wait get `error`, and so do all who come."""
        self._broken = error
        for pending in (*self._waiting, *self._in_flight.values(), *self._pausing):
            if not pending.answer.done():
                pending.answer.set_exception(error)

    def _forget(self, pending: _Pending) -> None:
        """Its caller has an answer, or gave up."""
        if self._in_flight.pop(pending.call.request_id, None) is not None:
            if self._waiting:
                self._wake()
        elif pending.answer.cancelled() and pending in self._waiting:
            self._waiting.remove(pending)

    def _taken(self, request_id: int) -> _Pending | None:
        pending = self._in_flight.pop(request_id, None)
        if self._waiting:
            self._wake()
        return None if pending is None or pending.answer.done() else pending

    def _again(self, pending: _Pending) -> None:
        self._pausing.discard(pending)
        if not pending.answer.done():
            self._waiting.append(pending)
            self._wake()
