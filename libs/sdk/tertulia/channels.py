"""What the client knows of its user's channels, kept current from notices and logs."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tertulia.buffer import EventBuffer
from tertulia.chat.v1 import channel_pb2, event_pb2, session_pb2
from tertulia.events import ChannelJoined, ChannelLeft, LogEvent, MembershipChanged, MessageReceived, ReadChanged
from tertulia.follow import AheadRoom, Follower, Range
from tertulia.models import Message, MyChannel, channel_from, message_from

MAX_AHEAD_EVENTS = 1_024
"""Events, over all channels, that are kept while holes before them are fetched; those beyond are fetched again."""

_REMEMBERED_COUNTS = 256  # per channel: (seq, message count) of the newest messages, for unread at an older position
_MAX_STRANGERS = 1_024  # logs that were heard of before their channel notice
_HELLO_POSITIONS = 8_000  # Hello.positions


class _ChannelState:
    """One channel, as mutable as `Channels` needs it."""

    def __init__(self, notice: channel_pb2.MyChannel, follower: Follower, is_news: bool) -> None:
        self.follower = follower
        self.is_news = is_news  # joined while the client is open: what was said since then belongs to its events
        self.member = True
        self.head_seq = 0
        self.read_seq = 0
        self.last_message: Message | None = None
        self.message_count = 0
        self.read_count = 0
        self.counts: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED_COUNTS)
        self.update(notice)

    def update(self, notice: channel_pb2.MyChannel) -> None:
        self.channel = channel_from(notice.channel)
        self.log_id = notice.channel.log_id
        self.peer = notice.peer_user_id
        self.head_seq = max(self.head_seq, notice.head_seq)
        self.message_count = max(self.message_count, notice.head_message_count)
        if notice.HasField("last_message"):
            self._newest(notice.last_message)
        self.read_up_to(notice.read_seq, notice.read_message_count)

    def count(self, events: Sequence[event_pb2.Event]) -> None:
        for event in events:
            self.message_count = max(self.message_count, event.message_count)
            if event.HasField("message"):
                self.counts.append((event.seq, event.message_count))
                self._newest(event)

    def read_up_to(self, seq: int, message_count: int | None = None) -> None:
        """Move the read position forward. The count there is looked up where it is not given."""
        if seq < self.read_seq:
            return
        self.read_seq = seq
        self.read_count = max(self.read_count, self._count_at(seq) if message_count is None else message_count)

    def view(self) -> MyChannel:
        return MyChannel(
            channel=self.channel,
            head_seq=self.head_seq,
            last_message=self.last_message,
            read_seq=self.read_seq,
            unread=max(0, self.message_count - self.read_count),
            peer=self.peer,
        )

    def _newest(self, event: event_pb2.Event) -> None:
        if self.last_message is None or event.seq > self.last_message.seq:
            self.last_message = message_from(self.channel.channel_id, event)

    def _count_at(self, seq: int) -> int:
        if seq >= self.head_seq:
            return self.message_count
        return next((count for at, count in reversed(self.counts) if at <= seq), self.read_count)


class Channels(Mapping[str, MyChannel]):
    """The channels that the user is in now, by id. `on_missing` is called when there is something to fetch."""

    def __init__(self, buffer: EventBuffer, on_missing: Callable[[], None]) -> None:
        self._buffer = buffer
        self._on_missing = on_missing
        self._user_id = ""
        self._states: dict[str, _ChannelState] = {}
        self._by_log: dict[bytes, _ChannelState] = {}
        self._inbox_log = b""
        self._inbox_position = 0  # 0: nothing has come yet; on the next session all of it comes, or a gap
        self._noticed: set[str] = set()  # channels that this session has named
        self._joined_seqs: dict[str, int] = {}  # joined by the inbox, not noticed yet
        self._strangers: dict[bytes, int] = {}  # logs that were not noticed yet, and how far they were heard of
        self._missing: dict[str, None] = {}  # channels with something to fetch, in turns
        self._ahead_room = AheadRoom(MAX_AHEAD_EVENTS)
        self._caught_up_once = False

    def __getitem__(self, channel_id: str) -> MyChannel:
        state = self._states[channel_id]
        if not state.member:
            raise KeyError(channel_id)
        return state.view()

    def __iter__(self) -> Iterator[str]:
        return (channel_id for channel_id, state in self._states.items() if state.member)

    def __len__(self) -> int:
        return sum(state.member for state in self._states.values())

    def seen(self, channel_id: str) -> int | None:
        """The newest seq that is known of a channel."""
        state = self._states.get(channel_id)
        return state.head_seq if state is not None else None

    def channel_of(self, log_id: bytes) -> str | None:
        """The channel that a log belongs to."""
        state = self._by_log.get(log_id)
        return state.channel.channel_id if state is not None else None

    def mark_read(self, channel_id: str, seq: int | None) -> int:
        """Move the user's own position, without waiting for the server; answers where it is (0: not known)."""
        state = self._states.get(channel_id)
        if state is None:
            return seq or 0
        state.read_up_to(state.follower.position if seq is None else seq)
        return state.read_seq

    # --- a session's life ---------------------------------------------------------------------------------------------

    def positions(self) -> list[session_pb2.Position]:
        """Where the client stands, for hello. What it left is forgotten; what a hello has no room for is fetched."""
        for state in [state for state in self._states.values() if not state.member]:
            self._drop(state)
        states = sorted(self._states.values(), key=_last_activity, reverse=True)[: _HELLO_POSITIONS - 1]
        positions = [session_pb2.Position(log_id=state.log_id, seq=state.follower.position) for state in states]
        if self._inbox_log:
            positions.append(session_pb2.Position(log_id=self._inbox_log, seq=self._inbox_position))
        return positions

    def on_welcome(self, welcome: session_pb2.Welcome) -> None:
        self._user_id = welcome.user_id
        self._inbox_log = welcome.inbox_log_id
        self._noticed.clear()
        self._strangers.clear()
        for state in self._states.values():
            state.follower.forget_ahead()

    def on_channel(self, notice: channel_pb2.MyChannel) -> int:
        """The state of a channel; answers a read position that the server lacks, or 0."""
        channel_id, log_id = notice.channel.channel_id, notice.channel.log_id
        self._noticed.add(channel_id)
        state = self._states.get(channel_id)
        if state is not None and state.log_id != log_id:
            self._drop(state)  # a channel of that id was made anew
            state = None
        if state is None:
            self._new_state(notice)
            return 0
        if not state.member:
            state.follower.skip_to(notice.head_seq)  # what happened while the user was away
            self._become_member(state)
        lacking = state.read_seq if state.read_seq > notice.read_seq else 0
        state.update(notice)
        # if the hello had room for its position, all of it is on its way; else it is fetched once that has come
        state.follower.want(notice.head_seq)
        self._look_for_missing(state)
        return lacking

    def on_caught_up(self) -> None:
        """The session has named every channel of the user's: what it did not name was left meanwhile."""
        for channel_id, state in self._states.items():
            if channel_id not in self._noticed:
                self._become_stranger(state)
        self._caught_up_once = True

    # --- logs ---------------------------------------------------------------------------------------------------------

    def on_ranges(self, slices: Iterable[session_pb2.Slice], gaps: Iterable[session_pb2.Gap]) -> None:
        """Slices and gaps of one frame. Fragments may have been joined, so of one log they are put in order first."""
        by_log: defaultdict[bytes, list[Range]] = defaultdict(list)
        for part in slices:
            by_log[part.log_id].append(Range(part.from_seq, part.to_seq, part.events))
            if (state := self._by_log.get(part.log_id)) is not None:
                state.head_seq = max(state.head_seq, part.head_seq, part.to_seq)
        for gap in gaps:
            by_log[gap.log_id].append(Range(gap.from_seq, gap.to_seq, None))
        for ranges in by_log.values():
            ranges.sort(key=lambda part: part.from_seq)
        self._follow_inbox(by_log.pop(self._inbox_log, ()))
        for log_id, ranges in by_log.items():
            if (state := self._by_log.get(log_id)) is not None:
                for known in ranges:
                    state.follower.on_range(known)
                self._look_for_missing(state)
            elif log_id in self._strangers or len(self._strangers) < _MAX_STRANGERS:
                self._strangers[log_id] = max(ranges[-1].to_seq, self._strangers.get(log_id, 0))

    def on_read(self, read: session_pb2.ReadChanged) -> None:
        state = self._by_log.get(read.log_id)
        if state is None:
            return
        if read.user_id == self._user_id:
            state.read_up_to(read.read_seq, read.read_message_count)
        channel_id = state.channel.channel_id
        self._buffer.put_state(("read", channel_id, read.user_id), ReadChanged(channel_id, read.user_id, read.read_seq))

    # --- the gap filler's side ----------------------------------------------------------------------------------------

    def next_missing(self) -> tuple[str, Follower] | None:
        """A channel with something to fetch, each in its turn."""
        while self._missing:
            channel_id = next(iter(self._missing))
            del self._missing[channel_id]
            state = self._states.get(channel_id)
            if state is not None and state.member and state.follower.missing:
                self._missing[channel_id] = None
                return channel_id, state.follower
        return None

    # --- inside -------------------------------------------------------------------------------------------------------

    def _new_state(self, notice: channel_pb2.MyChannel) -> None:
        channel_id, log_id = notice.channel.channel_id, notice.channel.log_id
        position = min(notice.head_seq, self._joined_seqs.pop(channel_id, notice.head_seq))
        follower = Follower(position, lambda events: self._deliver(state, events), self._ahead_room)
        state = _ChannelState(notice, follower, is_news=self._caught_up_once)
        self._states[channel_id] = state
        self._by_log[log_id] = state
        follower.want(max(notice.head_seq, self._strangers.pop(log_id, 0)))
        self._look_for_missing(state)
        if state.is_news:
            self._buffer.put_state(("channel", channel_id), ChannelJoined(state.channel))

    def _deliver(self, state: _ChannelState, events: Sequence[event_pb2.Event]) -> bool:
        channel_id = state.channel.channel_id
        told = [told for event in events if (told := _log_event(channel_id, event)) is not None]
        if not self._buffer.offer(told):
            return False
        state.count(events)
        return True

    def _look_for_missing(self, state: _ChannelState) -> None:
        if state.follower.missing:
            self._missing[state.channel.channel_id] = None
            self._on_missing()

    def _follow_inbox(self, ranges: Iterable[Range]) -> None:
        """The inbox tells of channels joined and left; of several such events the last counts. What it does not tell, the
        notices after a welcome do: a gap in it is passed over."""
        last: dict[str, event_pb2.Event] = {}
        for part in ranges:
            for event in part.events or ():
                if event.seq > self._inbox_position:
                    last[event.channel_joined.channel_id or event.channel_left.channel_id] = event
            self._inbox_position = max(part.to_seq, self._inbox_position)
        for channel_id, event in last.items():
            if event.HasField("channel_joined"):
                self._on_joined(channel_id, event.channel_joined.joined_seq)
            elif event.HasField("channel_left"):
                self._on_left(channel_id)

    def _on_joined(self, channel_id: str, joined_seq: int) -> None:
        state = self._states.get(channel_id)
        if state is None:
            self._joined_seqs[channel_id] = joined_seq
            return
        self._become_member(state)
        if state.is_news:
            state.follower.set_back(joined_seq)
            self._look_for_missing(state)

    def _on_left(self, channel_id: str) -> None:
        self._joined_seqs.pop(channel_id, None)
        state = self._states.get(channel_id)
        if state is not None:
            self._become_stranger(state)

    def _become_member(self, state: _ChannelState) -> None:
        if not state.member:
            state.member = True
            self._buffer.put_state(("channel", state.channel.channel_id), ChannelJoined(state.channel))

    def _become_stranger(self, state: _ChannelState) -> None:
        if state.member:
            state.member = False
            state.follower.want_no_more()
            self._buffer.put_state(("channel", state.channel.channel_id), ChannelLeft(state.channel.channel_id))

    def _drop(self, state: _ChannelState) -> None:
        state.follower.forget_ahead()
        del self._states[state.channel.channel_id]
        del self._by_log[state.log_id]


def _log_event(channel_id: str, event: event_pb2.Event) -> LogEvent | None:
    """What the application is told of an event; nothing of kinds that this version does not know."""
    if event.HasField("message"):
        return MessageReceived(message_from(channel_id, event))
    if event.HasField("membership_change"):
        change = event.membership_change
        return MembershipChanged(
            channel_id=channel_id,
            seq=event.seq,
            time_ms=event.time_ms,
            by=event.sender_user_id,
            added=tuple(change.added_user_ids),
            removed=tuple(change.removed_user_ids),
        )
    return None


def _last_activity(state: _ChannelState) -> int:
    return state.last_message.time_ms if state.last_message is not None else 0
