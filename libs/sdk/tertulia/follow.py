"""Following one log: every event once, in order, none left out.

A log comes in *ranges* of seqs. A range that begins right after the position is delivered; what was had before is dropped;
what lies ahead of the position leaves a hole, which somebody has to fetch (`missing`). A range that cannot be delivered for
want of room is treated as if it had never come. Contiguity is judged by ranges alone: an event that is not for this reader
is missing from a range's events, never from the range.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tertulia.chat.v1 import event_pb2

Deliver = Callable[[Sequence[event_pb2.Event]], bool]
"""Hand events on; False: there is no room, nothing was taken."""


class Range(NamedTuple):
    """A contiguous part of a log."""

    from_seq: int
    to_seq: int
    events: Sequence[event_pb2.Event] | None
    """None: these will not be sent; fetch them."""


class AheadRoom:
    """How many more events may be kept while holes before them are fetched; shared by all logs of a client."""

    def __init__(self, events: int) -> None:
        self.events = events


class Follower:
    """Where the client stands in one log."""

    def __init__(self, position: int, deliver: Deliver, ahead_room: AheadRoom) -> None:
        self.position = position
        """Every event up to here was delivered, or happened before the client came."""
        self._deliver = deliver
        self._wanted = position  # everything up to here exists and is to be delivered
        self._ahead: deque[Range] = deque()
        self._ahead_room = ahead_room
        self._untouched = True

    @property
    def missing(self) -> bool:
        """There are events that will not come by themselves: fetch what follows `position`."""
        return self.position < self._wanted

    def want(self, seq: int) -> None:
        """Everything up to `seq` exists."""
        self._wanted = max(self._wanted, seq)

    def want_no_more(self) -> None:
        """What is missing cannot be had."""
        self._wanted = self.position

    def set_back(self, position: int) -> None:
        """What follows `position` is wanted too. Too late once anything was delivered: order comes first."""
        if self._untouched and position < self.position:
            self.want(self.position)
            self.position = position

    def skip_to(self, position: int) -> None:
        """What comes up to `position` is not wanted."""
        self.position = max(self.position, position)
        self.want(self.position)
        self._use_ahead()

    def on_range(self, part: Range) -> None:
        if part.to_seq <= self.position:
            return
        if part.from_seq <= self.position + 1:
            if self._take(part):
                self._use_ahead()
            else:
                self.want(part.to_seq)
        elif self._keep(part):
            self.want(part.from_seq - 1)
        else:
            self.want(part.to_seq)

    def forget_ahead(self) -> None:
        """Drop what was kept; it comes or is fetched again."""
        while self._ahead:
            self.want(self._pop_ahead().to_seq)

    def _take(self, part: Range) -> bool:
        """Deliver what is new in a range that is contiguous with the position."""
        if part.events is None:
            return False
        fresh = part.events if part.from_seq > self.position else [e for e in part.events if e.seq > self.position]
        if not self._deliver(fresh):
            return False
        self.position = part.to_seq
        self.want(self.position)
        self._untouched = False
        return True

    def _keep(self, part: Range) -> bool:
        if part.events is None or len(part.events) > self._ahead_room.events:
            return False
        if self._ahead and part.from_seq <= self._ahead[-1].to_seq:
            return False  # sent again by a new session; simpler to fetch than to merge
        self._ahead_room.events -= len(part.events)
        self._ahead.append(part)
        return True

    def _pop_ahead(self) -> Range:
        part = self._ahead.popleft()
        self._ahead_room.events += len(part.events or ())
        return part

    def _use_ahead(self) -> None:
        while self._ahead and self._ahead[0].from_seq <= self.position + 1:
            part = self._pop_ahead()
            if part.to_seq > self.position and not self._take(part):
                self.want(part.to_seq)
                return
        if self._ahead:
            self.want(self._ahead[0].from_seq - 1)
