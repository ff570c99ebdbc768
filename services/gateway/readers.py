"""One session's reading of one log: a channel's, or its user's inbox."""

from typing import Protocol

from tertulia.chat.v1 import event_pb2, session_pb2

from services.gateway.feed import Feed
from services.gateway.grants import Grant
from services.gateway.outbox import Outbox
from services.gateway.segments import Segment


class ReaderOwner(Protocol):
    """Whom a session's readers tell; see `session_logs.SessionLogs`. Called by feeds, so nothing here may wait or raise."""

    def removed(self, reader: "ChannelReader", seq: int, *, is_back: bool) -> None: ...

    def joined(self, entry: event_pb2.ChannelJoined) -> None: ...

    def overflowed(self) -> None: ...

    def late(self, reader: "LogReader") -> None: ...


class Company(Protocol):
    """Others with whom a reader reads what is live; see `audiences.Audience`."""

    def remove(self, reader: "LogReader") -> None:
        """It stands where the feed does."""


class LogReader:
    """See `feed.Reader`, which this is."""

    __slots__ = ("_outbox", "_owner", "audience", "closed", "feed", "position", "user_id")

    def __init__(self, owner: ReaderOwner, outbox: Outbox, feed: Feed, user_id: str, position: int) -> None:
        self._owner = owner
        self._outbox = outbox
        self.feed = feed
        self.user_id = user_id
        self.position = position
        self.closed = False
        self.audience: Company | None = None
        """If there is one it is not attached to the feed by itself."""

    @property
    def policy_version(self) -> int:
        return 0

    def attach(self) -> bool:
        """See `Feed.attach`."""
        return not self.closed and self.feed.attach(self, self._outbox.push)

    def detach(self) -> None:
        """See `Feed.detach`."""
        if self.audience is not None:
            self.audience.remove(self)
        else:
            self.feed.detach(self)

    def notice(self, frame: bytes, except_user_id: str) -> bool:
        return self.user_id != except_user_id and self._outbox.push(frame)

    def take(self, segment: Segment) -> None:
        self._outbox.push(segment.frame)
        self.position = segment.to_seq
        if segment.control is not None:
            self.control(segment.control)

    def skip(self, to_seq: int) -> None:
        """Tell the client to fetch what lies between by itself, if it wants it."""
        gap = session_pb2.Gap(log_id=self.feed.log.log_id, from_seq=self.position + 1, to_seq=to_seq)
        self._outbox.push(session_pb2.ServerFrame(notices=[session_pb2.Notice(gap=gap)]).SerializeToString())
        self.position = to_seq

    def control(self, event: event_pb2.Event) -> None:
        raise NotImplementedError

    def overflowed(self) -> None:
        self._owner.overflowed()

    def left_behind(self) -> None:
        self._owner.late(self)


class ChannelReader(LogReader):
    """Of a channel, as its member."""

    __slots__ = ("grant", "rejoined_seq")

    def __init__(self, owner: ReaderOwner, outbox: Outbox, feed: Feed, position: int, grant: Grant) -> None:
        super().__init__(owner, outbox, feed, grant.user_id, position)
        self.grant = grant
        self.rejoined_seq = 0
        """The seq of a later joining that the inbox told of before the channel's log told of the removal."""

    @property
    def policy_version(self) -> int:
        return self.grant.member_version

    def control(self, event: event_pb2.Event) -> None:
        change = event.membership_change
        if self.user_id in change.removed_user_ids:
            is_back = self.rejoined_seq > event.seq or self.grant.policy_version > change.policy_version
            self._owner.removed(self, event.seq, is_back=is_back)
        elif event.HasField("channel_deleted"):
            self._owner.removed(self, event.seq, is_back=False)
        else:
            self.grant.heard(event)


class InboxReader(LogReader):
    """Of the user's inbox. Entries up to `snapshot_seq` are in the snapshot that the session began with."""

    __slots__ = ("snapshot_seq",)

    def __init__(
        self, owner: ReaderOwner, outbox: Outbox, feed: Feed, user_id: str, position: int, snapshot_seq: int
    ) -> None:
        super().__init__(owner, outbox, feed, user_id, position)
        self.snapshot_seq = snapshot_seq

    def control(self, event: event_pb2.Event) -> None:
        # that the user left a channel is told by the channel's own log, at the exact seq
        if event.seq > self.snapshot_seq and event.HasField("channel_joined"):
            self._owner.joined(event.channel_joined)
