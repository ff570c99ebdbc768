"""Who reads a log on one carrier: they are given its live end once for all of them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from tertulia.chat.v1 import event_pb2
from tertulia_internal.gateway.v1 import carrier_pb2

from services.gateway.feed import Feed
from services.gateway.outbox import Outbox
from services.gateway.readers import LogReader
from services.gateway.segments import Segment
from services.gateway.stats import Stats


class Audience:
    """The one reader of a feed (see `feed.Reader`) for readers of several sessions, who stand where the feed does.

    It is attached while anybody is in it. The other end is told who is in it when there is something for them: who comes and
    goes meanwhile costs nothing.
    """

    __slots__ = (
        "_came",
        "_emptied",
        "_feed",
        "_left",
        "_number",
        "_outbox",
        "_readers",
        "_stats",
        "closed",
        "position",
    )

    def __init__(self, number: int, feed: Feed, outbox: Outbox, stats: Stats, emptied: Callable[[], None]) -> None:
        self.position = 0
        self.closed = False
        self._number = number
        self._feed = feed
        self._outbox = outbox
        self._stats = stats
        self._emptied = emptied
        self._readers: dict[LogReader, int] = {}
        """With the handles of their users."""
        self._came: set[int] = set()
        self._left: set[int] = set()

    @property
    def policy_version(self) -> int:
        """Readers know the feed's when they come, and are told of all that follows."""
        return self._feed.policy_version

    def add(self, reader: LogReader, handle: int) -> None:
        """A reader that is attached to the feed, and whose session has nothing left to send."""
        self._feed.detach(reader)
        if not self._readers:
            self.position = self._feed.cursor
            self._feed.attach(self, self._push)
        self._readers[reader] = handle
        reader.audience = self
        if handle in self._left:
            self._left.discard(handle)
        else:
            self._came.add(handle)

    def remove(self, reader: LogReader) -> None:
        """It stands where the feed does."""
        reader.position = max(reader.position, self._feed.cursor)
        self._let_go(reader)
        if not self._readers:
            self._feed.detach(self)
            self._end()

    def take(self, segment: Segment) -> None:
        """See `feed.Reader`. An audience is never behind."""
        raise NotImplementedError

    def notice(self, frame: bytes, except_user_id: str) -> bool:
        excepted = [handle for reader, handle in self._readers.items() if reader.user_id == except_user_id]
        return len(excepted) < len(self._readers) and self._send(frame, excepted)

    def control(self, event: event_pb2.Event) -> None:
        for reader in list(self._readers):
            reader.control(event)

    def overflowed(self) -> None:
        """The carrier's queue is over its limit: each reader catches up by way of its session's own."""
        self._feed.detach(self)
        self.left_behind()

    def left_behind(self) -> None:
        readers = list(self._readers)
        for reader in readers:
            reader.position = max(reader.position, self.position)
            self._let_go(reader)
        self._end()
        for reader in readers:
            reader.left_behind()

    def _let_go(self, reader: LogReader) -> None:
        handle = self._readers.pop(reader)
        reader.audience = None
        if handle in self._came:
            self._came.discard(handle)
        else:
            self._left.add(handle)

    def _end(self) -> None:
        self._tell_changes()
        self._emptied()

    def _push(self, frame: bytes) -> bool:
        self._stats.deliveries += (self._feed.cursor - self.position) * (len(self._readers) - 1)  # the feed counts one
        self.position = self._feed.cursor
        return self._send(frame, ())

    def _send(self, frame: bytes, except_handles: Sequence[int]) -> bool:
        self._tell_changes()
        part = carrier_pb2.AudienceFrame(audience=self._number, frame=frame, except_handles=except_handles)
        return self._outbox.push(encoded(carrier_pb2.Part(audience_frame=part)))

    def _tell_changes(self) -> None:
        if self._came or self._left:
            change = carrier_pb2.AudienceChange(
                audience=self._number, joined_handles=self._came, left_handles=self._left
            )
            self._outbox.push(encoded(carrier_pb2.Part(audience_change=change)))
            self._came.clear()
            self._left.clear()


class Audiences:
    """Of one carrier, by feed."""

    def __init__(self, outbox: Outbox, stats: Stats) -> None:
        self._outbox = outbox
        self._stats = stats
        self._audiences: dict[Feed, Audience] = {}
        self._numbers = 0

    def of(self, feed: Feed) -> Audience:
        audience = self._audiences.get(feed)
        if audience is None:
            self._numbers += 1
            audience = Audience(self._numbers, feed, self._outbox, self._stats, lambda: self._forget(feed))
            self._audiences[feed] = audience
        return audience

    def _forget(self, feed: Feed) -> None:
        self._audiences.pop(feed, None)


class Seat(NamedTuple):
    """Where a user's readers join audiences."""

    audiences: Audiences
    handle: int

    def take(self, reader: LogReader) -> None:
        """See `Audience.add`."""
        self.audiences.of(reader.feed).add(reader, self.handle)


def encoded(part: carrier_pb2.Part) -> bytes:
    """A whole response with one part."""
    return carrier_pb2.CarryResponse(parts=[part]).SerializeToString()
