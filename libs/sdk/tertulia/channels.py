"""What the client knows of its user's channels, kept current from notices and logs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tertulia.buffer import EventBuffer
from tertulia.channel_state import ChannelState
from tertulia.chat.v1 import channel_pb2, event_pb2, session_pb2
from tertulia.events import (
    ChannelDeleted,
    ChannelJoined,
    ChannelLeft,
    DeliveredChanged,
    MessageReceived,
    PreferencesChanged,
    ReadChanged,
)
from tertulia.follow import AheadRoom, Follower, Range
from tertulia.log_events import log_event_from
from tertulia.models import MyChannel
from tertulia.readings import preferences_from

MAX_AHEAD_EVENTS = 1_024
"""Events, over all channels, that are kept while holes before them are fetched; those beyond are fetched again."""

_MAX_STRANGERS = 1_024  # logs that were heard of before their channel notice
_HELLO_POSITIONS = 8_000  # Hello.positions


class Channels(Mapping[str, MyChannel]):
    """The channels that the user is in now, by id. `on_missing` is called when there is something to fetch or to ask for,
    `on_arrival`, if anybody is to be told, with a channel and a seq up to which everything has reached this device."""

    def __init__(
        self, buffer: EventBuffer, on_missing: Callable[[], None], on_arrival: Callable[[str, int], None] | None
    ) -> None:
        self._buffer = buffer
        self._on_missing = on_missing
        self._on_arrival = on_arrival
        self._blocked: set[str] = set()
        self._blocked_known = False
        self.blocked_wanted = False  # somebody mentioned the user, and it is not known whether that counts
        self._user_id = ""
        self._states: dict[str, ChannelState] = {}
        self._by_log: dict[bytes, ChannelState] = {}
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
        return state.view(self._blocked)

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
        self._look_for_missing(state)
        return state.read_seq

    def on_block(self, user_id: str, blocked: bool) -> None:
        """The user has blocked somebody on this device, or taken it back."""
        if blocked:
            self._blocked.add(user_id)
        else:
            self._blocked.discard(user_id)
        for state in self._states.values():
            state.on_block()
        self._on_missing()

    # --- a session's life ---------------------------------------------------------------------------------------------

    def positions(self) -> list[session_pb2.Position]:
        """Where the client stands, for hello. What it left is forgotten; what a hello has no room for is fetched."""
        for state in [state for state in self._states.values() if not state.member]:
            self._drop(state)
        states = sorted(self._states.values(), key=lambda state: state.last_activity_ms, reverse=True)[
            : _HELLO_POSITIONS - 1
        ]
        positions = [session_pb2.Position(log_id=state.log_id, seq=state.follower.position) for state in states]
        if self._inbox_log:
            positions.append(session_pb2.Position(log_id=self._inbox_log, seq=self._inbox_position))
        return positions

    def on_welcome(self, welcome: session_pb2.Welcome) -> None:
        self._user_id = welcome.user_id
        self._inbox_log = welcome.inbox_log_id
        self._blocked_known = False  # another device may have blocked somebody meanwhile
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
            self._look_for_missing(state)
        channel_id = state.channel.channel_id
        self._buffer.put_state(("read", channel_id, read.user_id), ReadChanged(channel_id, read.user_id, read.read_seq))

    def on_delivered(self, delivered: session_pb2.DeliveredChanged) -> None:
        state = self._by_log.get(delivered.log_id)
        if state is None:
            return
        if delivered.user_id == self._user_id:
            state.delivered_up_to(delivered.delivered_seq)
        channel_id = state.channel.channel_id
        self._buffer.put_state(
            ("delivered", channel_id, delivered.user_id),
            DeliveredChanged(channel_id, delivered.user_id, delivered.delivered_seq),
        )

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

    # --- the asker's side ---------------------------------------------------------------------------------------------

    def stale(self) -> list[str]:
        """Channels of which only the server knows how they are."""
        return [channel_id for channel_id, state in self._states.items() if state.member and state.stale]

    def on_answer(self, answer: channel_pb2.MyChannel) -> None:
        """The server says how a channel is."""
        state = self._states.get(answer.channel.channel_id)
        if state is not None and state.member:
            state.on_answer(answer)

    def on_blocked(self, user_ids: Iterable[str]) -> None:
        """Whom the user has blocked, all of them."""
        self._blocked = set(user_ids)
        self._blocked_known = True
        self.blocked_wanted = False

    # --- inside -------------------------------------------------------------------------------------------------------

    def _new_state(self, notice: channel_pb2.MyChannel) -> None:
        channel_id, log_id = notice.channel.channel_id, notice.channel.log_id
        position = min(notice.head_seq, self._joined_seqs.pop(channel_id, notice.head_seq))
        follower = Follower(position, lambda events: self._deliver(state, events), self._ahead_room)
        state = ChannelState(notice, self._user_id, follower, is_news=self._caught_up_once)
        self._states[channel_id] = state
        self._by_log[log_id] = state
        follower.want(max(notice.head_seq, self._strangers.pop(log_id, 0)))
        self._look_for_missing(state)
        if state.is_news:
            self._buffer.put_state(("channel", channel_id), ChannelJoined(state.channel))
        if notice.unread_count:
            self._arrived(state, notice.head_seq)  # the application has the newest message, and how many there are

    def _deliver(self, state: ChannelState, events: Sequence[event_pb2.Event]) -> bool:
        channel_id = state.channel.channel_id
        told = [told for event in events if (told := log_event_from(channel_id, event)) is not None]
        if not self._buffer.offer(told):
            return False
        state.apply(events)
        if state.mentioned and not self._blocked_known:
            self.blocked_wanted = True
            self._on_missing()
        if any(isinstance(event, MessageReceived) and event.message.author != self._user_id for event in told):
            self._arrived(state, told[-1].seq)
        if told and isinstance(told[-1], ChannelDeleted):
            state.member = False
            state.follower.want_no_more()
        return True

    def _arrived(self, state: ChannelState, seq: int) -> None:
        if self._on_arrival is not None and state.wants_receipts and seq > state.delivered_seq:
            state.delivered_up_to(seq)
            self._on_arrival(state.channel.channel_id, seq)

    def _look_for_missing(self, state: ChannelState) -> None:
        if state.follower.missing:
            self._missing[state.channel.channel_id] = None
            self._on_missing()
        elif state.stale:
            self._on_missing()

    def _follow_inbox(self, ranges: Iterable[Range]) -> None:
        """The inbox tells of channels joined and left, of several such events the last counts, and of preferences. What it
        does not tell, the notices after a welcome do: a gap in it is passed over."""
        last: dict[str, event_pb2.Event] = {}
        for part in ranges:
            for event in part.events or ():
                if event.seq <= self._inbox_position:
                    continue
                if event.HasField("channel_preferences_changed"):
                    self._on_preferences(event.channel_preferences_changed)
                else:
                    last[event.channel_joined.channel_id or event.channel_left.channel_id] = event
            self._inbox_position = max(part.to_seq, self._inbox_position)
        for channel_id, event in last.items():
            if event.HasField("channel_joined"):
                self._on_joined(channel_id, event.channel_joined.joined_seq)
            elif event.HasField("channel_left"):
                self._on_left(channel_id)

    def _on_preferences(self, change: event_pb2.ChannelPreferencesChanged) -> None:
        state = self._by_log.get(change.log_id)
        if state is not None and state.prefer(change.preferences):
            self._buffer.put_state(
                ("preferences", change.channel_id),
                PreferencesChanged(change.channel_id, preferences_from(change.preferences)),
            )

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

    def _become_member(self, state: ChannelState) -> None:
        if not state.member:
            state.member = True
            self._buffer.put_state(("channel", state.channel.channel_id), ChannelJoined(state.channel))

    def _become_stranger(self, state: ChannelState) -> None:
        if state.member:
            state.member = False
            state.follower.want_no_more()
            self._buffer.put_state(("channel", state.channel.channel_id), ChannelLeft(state.channel.channel_id))

    def _drop(self, state: ChannelState) -> None:
        state.follower.forget_ahead()
        del self._states[state.channel.channel_id]
        del self._by_log[state.log_id]
