"""Messages on their way out.

Each channel has a *lane*. A lane has one batch in flight: the next one waits for the answers to the first and takes all
that has gathered in the meantime. So batches grow with load, nobody waits for a timer, and messages of one channel keep
their order also when some are refused for a moment or the connection breaks: what has no answer goes out again, in order,
ahead of what is newer.
"""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable

from tertulia.backoff import Backoff
from tertulia.chat.v1 import session_pb2
from tertulia.errors import NOT_ENTERED, ClientClosed, OutcomeUnknown, Refused, TertuliaError, Unreachable
from tertulia.models import Sent

MAX_OPEN = 1_024
"""Sends that may be open at once; a further one waits for its turn, within its own deadline."""

FRAME_SENDS = 256  # the protocol's limit
FRAME_BYTES = 128 * 1024
"""A frame takes no further message beyond this, so that it stays well below any server's limit for one frame."""

RETRY_BASE_SECONDS = 0.05
RETRY_CAP_SECONDS = 2.0

_REMEMBERED_CHANNELS = 4_096  # whose newest acknowledged seq is kept; about 0.5 MiB


class _Pending:
    """A message without an answer."""

    __slots__ = ("answer", "refusal", "send", "size", "written")

    def __init__(self, send: session_pb2.Send) -> None:
        self.send = send
        self.size = send.ByteSize()
        self.answer: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        self.written = False  # it went out at least once: without an answer its outcome is unknown
        self.refusal: Refused | None = None  # the last one that is worth another try

    def gave_up(self, seconds: float) -> TertuliaError:
        """The error when the caller's deadline has passed."""
        send = self.send
        if self.refusal is not None and self.refusal.reason != "OUTCOME_UNKNOWN":
            return self.refusal
        if not self.written:
            return Unreachable(f"no server took the message to {send.channel_id} within {seconds:g} s; it was not sent")
        return OutcomeUnknown(
            f"no answer to the message to {send.channel_id} within {seconds:g} s; whether it was sent is not known",
            send.client_message_id,
            send.after_seq if send.HasField("after_seq") else None,
        )


class _Lane:
    """The sends of one channel, in order."""

    def __init__(self) -> None:
        self.waiting: deque[_Pending] = deque()
        self.in_flight: dict[int, _Pending] = {}
        self.again: list[_Pending] = []  # refused for the moment; goes first once the batch is settled
        self.backoff = Backoff(RETRY_BASE_SECONDS, RETRY_CAP_SECONDS)
        self.pause: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> bool:
        return bool(self.waiting) and not self.in_flight and self.pause is None

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.in_flight or self.again or self.pause)

    def bring_back(self, pendings: Iterable[_Pending]) -> None:
        """These go first again, in the order of their ids, which is that of the callers."""
        back = sorted((p for p in pendings if not p.answer.done()), key=lambda p: p.send.request_id)
        self.waiting.extendleft(reversed(back))

    def everything(self) -> list[_Pending]:
        return [*self.in_flight.values(), *self.again, *self.waiting]


class Sends:
    """All messages without an answer. `seen` tells the newest seq that is known of a channel, if any is; `wake` is called
    when there is something to write."""

    def __init__(
        self, ids: "itertools.count[int]", seen: Callable[[str], int | None], wake: Callable[[], None]
    ) -> None:
        self._ids = ids
        self._seen = seen
        self._wake = wake
        self._lanes: dict[str, _Lane] = {}
        self._turns: dict[str, None] = {}  # channels that have something to send, in order
        self._in_flight: dict[int, str] = {}  # request id → channel
        self._acknowledged: OrderedDict[str, int] = OrderedDict()
        self._room = asyncio.Semaphore(MAX_OPEN)
        self._broken: TertuliaError | None = ClientClosed(NOT_ENTERED)

    async def send(self, send: session_pb2.Send, timeout: float) -> Sent:
        """Send until it is acknowledged or refused for good.

        Messages of a channel are appended in the order of these calls. A `send` without `after_seq` gets what is known at
        its first try; with one it keeps it, for then the caller's first try was an earlier one.

        Raises:
            Refused: the server will not have it.
            Unreachable, OutcomeUnknown: no answer within `timeout` seconds.
        """
        pending = _Pending(send)
        try:
            async with asyncio.timeout(timeout), self._room:
                if self._broken is not None:
                    raise self._broken.with_traceback(None)  # else it grows each time
                send.request_id = next(self._ids)
                lane = self._lanes.setdefault(send.channel_id, _Lane())
                lane.waiting.append(pending)
                self._offer_turn(send.channel_id, lane)
                try:
                    return await pending.answer
                finally:
                    self._forget(pending)
        except TimeoutError:
            raise pending.gave_up(timeout) from None

    def add_to(self, frame: session_pb2.ClientFrame, size: int) -> None:
        """Add all that may go out now to a frame that holds `size` bytes already."""
        for channel_id in list(self._turns):
            lane = self._lanes[channel_id]
            del self._turns[channel_id]
            while lane.waiting and len(frame.sends) < FRAME_SENDS:
                pending = lane.waiting[0]
                if pending.answer.done():  # its caller gave up just now
                    lane.waiting.popleft()
                    continue
                if size and size + pending.size > FRAME_BYTES:
                    break
                lane.waiting.popleft()
                self._stamp(pending)
                lane.in_flight[pending.send.request_id] = pending
                self._in_flight[pending.send.request_id] = channel_id
                frame.sends.append(pending.send)
                size += pending.size
            self._offer_turn(channel_id, lane)  # where the frame was full before its turn
            if lane.ready:
                return

    def on_ack(self, ack: session_pb2.Ack) -> None:
        channel_id = self._in_flight.pop(ack.request_id, None)
        if channel_id is None:
            return  # its caller gave up
        lane = self._lanes[channel_id]
        lane.backoff.reset()
        pending = lane.in_flight.pop(ack.request_id)
        self._remember(channel_id, ack.seq)
        if not pending.answer.done():
            pending.answer.set_result(Sent(ack.seq, ack.time_ms, pending.send.client_message_id))
        self._settle(channel_id, lane)

    def on_refusal(self, request_id: int, refusal: Refused) -> bool:
        """Answers whether it was for one of these."""
        channel_id = self._in_flight.pop(request_id, None)
        if channel_id is None:
            return False
        lane = self._lanes[channel_id]
        pending = lane.in_flight.pop(request_id)
        scanned_to = refusal.metadata.get("scanned_to_seq", "")
        if refusal.reason == "DEDUP_SCAN_LIMIT" and scanned_to.isdecimal():
            pending.send.after_seq = int(scanned_to)  # not found up to here: let it search on
        elif not refusal.retryable:
            if not pending.answer.done():
                pending.answer.set_exception(refusal)
            self._settle(channel_id, lane)
            return True
        pending.refusal = refusal
        lane.again.append(pending)
        self._settle(channel_id, lane)
        return True

    def disconnected(self) -> None:
        """What has no answer goes out again on the next session, in order."""
        self._in_flight.clear()
        for channel_id, lane in self._lanes.items():
            back = [*lane.in_flight.values(), *lane.again]
            lane.in_flight.clear()
            lane.again.clear()
            lane.bring_back(back)
            self._offer_turn(channel_id, lane)

    def known(self, channel_id: str) -> int | None:
        """The newest seq of a channel that this client has heard of, if of any."""
        seqs = (self._seen(channel_id), self._acknowledged.get(channel_id))
        return max((seq for seq in seqs if seq is not None), default=None)

    def open(self) -> None:
        """There will be a session."""
        self._broken = None

    def fail(self, error: TertuliaError) -> None:
        """There will be no session any more: all who wait get `error`, and so do all who come."""
        self._broken = error
        for lane in self._lanes.values():
            if lane.pause is not None:
                lane.pause.cancel()
            for pending in lane.everything():
                if not pending.answer.done():
                    pending.answer.set_exception(error)

    def _stamp(self, pending: _Pending) -> None:
        """Fix `after_seq` at the first try: it may be overtaken by its own retry, so every try carries the same."""
        if pending.written:
            return
        pending.written = True
        send = pending.send
        if send.HasField("after_seq"):
            return
        known = self.known(send.channel_id)
        if known is not None:
            send.after_seq = known

    def _remember(self, channel_id: str, seq: int) -> None:
        self._acknowledged[channel_id] = max(seq, self._acknowledged.pop(channel_id, 0))
        if len(self._acknowledged) > _REMEMBERED_CHANNELS:
            self._acknowledged.popitem(last=False)

    def _offer_turn(self, channel_id: str, lane: _Lane) -> None:
        if lane.ready:
            self._turns[channel_id] = None
            self._wake()

    def _settle(self, channel_id: str, lane: _Lane) -> None:
        """Once all of a batch have an answer: the next one, or some of this one again after a pause."""
        if lane.in_flight:
            return
        if lane.again:
            asked = max((p.refusal.retry_after_ms for p in lane.again if p.refusal), default=0) / 1000
            lane.bring_back(lane.again)
            lane.again.clear()
            loop = asyncio.get_running_loop()
            lane.pause = loop.call_later(asked + lane.backoff.next(), self._resume, channel_id, lane)
        self._offer_turn(channel_id, lane)
        if lane.idle:
            self._lanes.pop(channel_id, None)

    def _resume(self, channel_id: str, lane: _Lane) -> None:
        lane.pause = None
        self._settle(channel_id, lane)

    def _forget(self, pending: _Pending) -> None:
        """Its caller gave up; unless there is an answer, which has settled everything."""
        if not pending.answer.cancelled():
            return
        channel_id, request_id = pending.send.channel_id, pending.send.request_id
        lane = self._lanes.get(channel_id)
        if lane is None:
            return
        if self._in_flight.pop(request_id, None) is not None:
            del lane.in_flight[request_id]
        elif pending in lane.again:
            lane.again.remove(pending)
        elif pending in lane.waiting:
            lane.waiting.remove(pending)
        if not lane.waiting:
            self._turns.pop(channel_id, None)
        self._settle(channel_id, lane)
