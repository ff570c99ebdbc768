"""What goes out on a session, joined into frames: messages, calls, and signals of which only the newest matters.

The session's writer asks `next_frame` whenever its last write is done, and so gets all that has gathered in the meantime.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from tertulia.calls import Calls
from tertulia.chat.v1 import session_pb2
from tertulia.errors import Refused, ResourceExhausted, TertuliaError
from tertulia.events import SignalRefused
from tertulia.sends import Sends

MAX_WATCHED = 1_000
"""Users that a session may follow (the protocol's limit)."""

DELIVERED_SECONDS = 1.0
"""Between two frames that tell what was delivered: at most one a second per channel is asked for, and all go together."""

_FRAME_SIGNALS = 64  # of each sort; the protocol's limit for typing signals
_FRAME_DELIVERIES = 256  # the protocol's limit
_REMEMBERED_SIGNALS = 1_024  # whose refusal may still come; they are answered only if refused

V = TypeVar("V")


class Outbox:
    """All that waits to be written or answered. `seen` tells the newest seq that is known of a channel, if any is."""

    def __init__(self, seen: Callable[[str], int | None]) -> None:
        self._ids = itertools.count(1)
        self._wake = asyncio.Event()
        self.sends = Sends(self._ids, seen, self._wake.set)
        self.calls = Calls(self._ids, self._wake.set)
        self._reads: dict[str, int] = {}
        self._typings: dict[str, bool] = {}
        self._deliveries: dict[str, int] = {}
        self._deliveries_rest: asyncio.TimerHandle | None = None  # until the next may go out
        self._told: OrderedDict[int, tuple[Literal["mark_read", "watch"], Sequence[str]]] = OrderedDict()
        self._watched: dict[str, None] = {}
        self._watch_changes: dict[str, bool] = {}

    def mark_read(self, channel_id: str, seq: int) -> None:
        """Advance a read position; of several for one channel the highest goes out."""
        self._reads[channel_id] = max(seq, self._reads.get(channel_id, 0))
        self._wake.set()

    def mark_delivered(self, channel_id: str, seq: int) -> None:
        """Everything up to `seq` has reached this device. Goes out with the next such frame, at most one a second."""
        self._deliveries[channel_id] = max(seq, self._deliveries.get(channel_id, 0))
        self._wake.set()

    def typing(self, channel_id: str, active: bool) -> None:
        """Say that the user types or stopped; of several for one channel the last goes out."""
        self._typings[channel_id] = active
        self._wake.set()

    def watch(self, user_ids: Iterable[str]) -> None:
        """Follow people's presence, on this session and those after it.

        Raises:
            ResourceExhausted: LIMIT_REACHED: more than 1,000 in all.
        """
        new = {user_id: None for user_id in user_ids if user_id not in self._watched}
        if len(self._watched) + len(new) > MAX_WATCHED:
            raise ResourceExhausted(f"a session follows at most {MAX_WATCHED} users", "LIMIT_REACHED")
        self._watched.update(new)
        self._watch_changes.update(dict.fromkeys(new, True))
        self._wake.set()

    def unwatch(self, user_ids: Iterable[str]) -> None:
        """Follow these no longer."""
        gone = [user_id for user_id in user_ids if user_id in self._watched]
        for user_id in gone:
            del self._watched[user_id]
        self._watch_changes.update(dict.fromkeys(gone, False))
        self._wake.set()

    def nudge(self) -> None:
        """Let the writer look, even if there is nothing to write."""
        self._wake.set()

    async def wait(self) -> None:
        """Return once there may be something to write."""
        await self._wake.wait()
        self._wake.clear()

    def next_frame(self) -> session_pb2.ClientFrame | None:
        """All that may go out now, up to a frame's limits; None when there is nothing."""
        frame = session_pb2.ClientFrame()
        self.sends.add_to(frame, self.calls.add_to(frame))
        for channel_id, seq in _take(self._reads):
            request_id = self._remember("mark_read", [channel_id])
            frame.reads.add(channel_id=channel_id, read_seq=seq, request_id=request_id)
        if self._deliveries and self._deliveries_rest is None:
            for channel_id, seq in _take(self._deliveries, _FRAME_DELIVERIES):
                frame.deliveries.add(channel_id=channel_id, delivered_seq=seq)
            self._deliveries_rest = asyncio.get_running_loop().call_later(DELIVERED_SECONDS, self._rested)
        said = {send.channel_id for send in frame.sends}
        for channel_id, active in _take(self._typings):
            if channel_id not in said:  # who has said it types no longer
                frame.typings.add(channel_id=channel_id, active=active)
        changes = _take(self._watch_changes, MAX_WATCHED)
        for follow in (False, True):
            if user_ids := [user_id for user_id, wanted in changes if wanted is follow]:
                request_id = self._remember("watch", user_ids)
                frame.watches.add(user_ids=user_ids, stop=not follow, request_id=request_id)
        if self._reads or self._typings or self._watch_changes:
            self._wake.set()
        return frame if frame.ByteSize() else None

    def refused_signal(self, request_id: int, refusal: Refused) -> SignalRefused | None:
        """What the application is told of a signal that was refused; None where it was none of these."""
        told = self._told.pop(request_id, None)
        return SignalRefused(*told, refusal) if told is not None else None

    def connected(self) -> None:
        """A new session knows nothing of what was followed on the last one."""
        self._watch_changes = dict.fromkeys(self._watched, True)
        self._wake.set()

    def disconnected(self) -> None:
        """The session broke: what has no answer goes out again on the next one."""
        self.sends.disconnected()
        self.calls.disconnected()
        self._typings.clear()
        self._told.clear()

    def open(self) -> None:
        """There will be a session. What came before was refused (ClientClosed)."""
        self.sends.open()
        self.calls.open()

    def fail(self, error: TertuliaError) -> None:
        """There will be no session any more."""
        self.sends.fail(error)
        self.calls.fail(error)
        if self._deliveries_rest is not None:
            self._deliveries_rest.cancel()

    def _rested(self) -> None:
        self._deliveries_rest = None
        self._wake.set()

    def _remember(self, signal: Literal["mark_read", "watch"], subjects: Sequence[str]) -> int:
        request_id = next(self._ids)
        self._told[request_id] = (signal, subjects)
        if len(self._told) > _REMEMBERED_SIGNALS:
            self._told.popitem(last=False)
        return request_id


def _take(mapping: dict[str, V], limit: int = _FRAME_SIGNALS) -> list[tuple[str, V]]:
    keys = list(itertools.islice(mapping, limit))
    return [(key, mapping.pop(key)) for key in keys]
