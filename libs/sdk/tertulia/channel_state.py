"""One channel as its member has it, kept current from notices and events: what is live equals what a fresh session would be
told, but for what only the server can say, which is then asked for (`stale`)."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import replace

from tertulia import states
from tertulia.chat.v1 import channel_pb2, event_pb2
from tertulia.follow import Follower
from tertulia.mentions import MentionTally
from tertulia.models import Channel, MyChannel
from tertulia.readings import (
    channel_from,
    is_hidden,
    message_from,
    permissions_from,
    preferences_from,
    role_from,
)

MAX_RECEIPT_MEMBERS = 100
"""In larger channels nobody is told what has reached whom (the protocol's limit)."""

_REMEMBERED_COUNTS = 256  # per channel: (seq, message count) of the newest messages, for unread at an older position


class ChannelState:
    """As mutable as `Channels` needs it."""

    def __init__(self, notice: channel_pb2.MyChannel, user_id: str, follower: Follower, is_news: bool) -> None:
        self.follower = follower
        self.is_news = is_news  # joined while the client is open: what was said since then belongs to its events
        self.member = True
        self.stale = False  # something happened of which only the server knows what came of it
        self.head_seq = 0
        self.read_seq = 0
        self.delivered_seq = 0
        self._mentions = MentionTally(user_id)
        self._user_id = user_id
        self._last: event_pb2.Event | None = None
        self._message_count = 0
        self._read_count = 0
        self._counts: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED_COUNTS)
        self._preferences = preferences_from(notice.preferences)
        self._policy_version = 0
        self._asked_seq = 0
        self.update(notice)

    @property
    def last_activity_ms(self) -> int:
        return self._last.time_ms if self._last is not None else 0

    @property
    def mentioned(self) -> bool:
        """Somebody mentioned the user while the client was open."""
        return self._mentions.seen

    @property
    def wants_receipts(self) -> bool:
        return self.channel.member_count <= MAX_RECEIPT_MEMBERS

    def update(self, notice: channel_pb2.MyChannel) -> None:
        """What the server says of the channel: at the beginning, on a new session, or because it was asked."""
        self.stale = False
        if notice.channel.policy_version >= self._policy_version:
            self.channel: Channel = channel_from(notice.channel)
            self.log_id = notice.channel.log_id
            self._policy_version = notice.channel.policy_version
            self._peer = notice.peer_user_id
            self._role = role_from(notice.role)
            self._permissions = permissions_from(notice.permissions)
        self.prefer(notice.preferences)
        self.head_seq = max(self.head_seq, notice.head_seq)
        self._message_count = max(self._message_count, notice.head_message_count)
        if notice.HasField("last_message"):
            self._newest(notice.last_message)
        told = notice.mention_count if notice.HasField("mention_count") else None
        self.stale |= self._mentions.tell(told, notice.head_seq, notice.read_seq)
        self.read_up_to(notice.read_seq, notice.read_message_count)
        self.delivered_up_to(notice.delivered_seq)

    def on_answer(self, answer: channel_pb2.MyChannel) -> None:
        """The server's answer to being asked anew. One that is older than what is known here is not believed."""
        if (
            answer.channel.log_id == self.log_id
            and answer.channel.policy_version >= self._policy_version
            and answer.read_seq >= self.read_seq
            and answer.head_seq >= self._asked_seq
        ):
            self.update(answer)

    def apply(self, events: Sequence[event_pb2.Event]) -> None:
        """Events that were delivered, in order."""
        for event in events:
            self._message_count = max(self._message_count, event.message_count)
            if self._apply(event):
                self.stale = True
                self._asked_seq = event.seq

    def on_block(self) -> None:
        self.stale |= self._mentions.on_block()

    def read_up_to(self, seq: int, message_count: int | None = None) -> None:
        """Move the read position forward. The count there is looked up where it is not given."""
        if seq < self.read_seq:
            return
        self.read_seq = seq
        self._read_count = max(self._read_count, self._count_at(seq) if message_count is None else message_count)
        self.stale |= self._mentions.read_up_to(seq)
        self.delivered_up_to(seq)

    def delivered_up_to(self, seq: int) -> None:
        self.delivered_seq = max(seq, self.delivered_seq)

    def prefer(self, preferences: event_pb2.ChannelPreferences) -> bool:
        """What the user prefers, unless something newer is known already; whether it was news."""
        if preferences.version <= self._preferences.version:
            return False
        self._preferences = preferences_from(preferences)
        return True

    def view(self, blocked: Collection[str]) -> MyChannel:
        return MyChannel(
            channel=self.channel,
            head_seq=self.head_seq,
            last_message=message_from(self.channel.channel_id, self._last) if self._last is not None else None,
            read_seq=self.read_seq,
            delivered_seq=self.delivered_seq,
            unread=max(0, self._message_count - self._read_count),
            mention_count=self._mentions.count(blocked),
            peer=self._peer,
            role=self._role,
            permissions=self._permissions,
            preferences=self._preferences,
            hidden=is_hidden(self._preferences, self._message_count),
        )

    def _apply(self, event: event_pb2.Event) -> bool:
        """One event; whether only the server knows what came of it."""
        match event.WhichOneof("content"):
            case "message":
                self._counts.append((event.seq, event.message_count))
                self._newest(event)
                self._mentions.on_message(event)
            case "message_edited":
                self._amend(event)
                return self._mentions.on_edit(event.message_edited)
            case "message_deleted":
                self._amend(event)
                return self._mentions.on_deletion(event.message_deleted)
            case "reaction_changed":
                self._amend(event)
            case "membership_change":
                return self._on_membership(event.membership_change)
            case "channel_changed":
                return self._on_change(event.channel_changed)
        return False

    def _newest(self, event: event_pb2.Event) -> None:
        last = self._last
        if last is None or (event.seq, event.state.as_of_seq) > (last.seq, last.state.as_of_seq):
            self._last = event_pb2.Event()
            self._last.CopyFrom(event)  # a reference would keep the whole frame that it came in

    def _amend(self, event: event_pb2.Event) -> None:
        last = self._last
        if last is None or not states.apply(last.state, last.seq, event) or not last.state.deleted:
            return
        kept = event_pb2.Message(reply_to_seq=last.message.reply_to_seq)
        last.message.CopyFrom(kept)  # what was deleted is kept nowhere

    def _on_membership(self, change: event_pb2.MembershipChange) -> bool:
        if change.policy_version <= self._policy_version:
            return False  # the notice knew of it
        self._policy_version = change.policy_version
        count = self.channel.member_count + len(change.added_user_ids) - len(change.removed_user_ids)
        self.channel = replace(self.channel, member_count=count)
        return any(each.user_id == self._user_id for each in change.role_changes)

    def _on_change(self, change: event_pb2.ChannelChanged) -> bool:
        if change.policy_version <= self._policy_version:
            return False
        self._policy_version = change.policy_version
        if not change.HasField("fields"):
            return True
        self.channel = replace(
            self.channel,
            name=change.fields.name,
            cover_url=change.fields.cover_url,
            custom_data=change.fields.custom_data,
            slow_mode_seconds=change.fields.slow_mode_seconds,
            etag="",
        )
        return False

    def _count_at(self, seq: int) -> int:
        if seq >= self.head_seq:
            return self._message_count
        return next((count for at, count in reversed(self._counts) if at <= seq), self._read_count)
