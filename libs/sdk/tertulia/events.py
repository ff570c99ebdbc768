"""What happens while a client is open, as `Client.events` tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from tertulia.errors import Refused
from tertulia.models import Channel, MemberRole, Message, Preferences


class ConnectionState(Enum):
    """How a client stands to its server."""

    CONNECTING = "connecting"
    """On the way to a server, for the first time or again. Sends wait."""
    CATCHING_UP = "catching up"
    """Connected; what happened meanwhile is on its way."""
    ONLINE = "online"
    """Connected, and everything up to now has arrived or is being fetched."""
    CLOSED = "closed"
    """Over, by `close` or for good by the server."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """Somebody, perhaps this user on this or another device, said something."""

    message: Message

    @property
    def channel_id(self) -> str:
        return self.message.channel_id

    @property
    def seq(self) -> int:
        return self.message.seq


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message has another content now. Its place, author and time stay."""

    channel_id: str
    seq: int
    """Of this event."""
    time_ms: int
    by: str
    """Who did it; empty: the application itself."""
    target: int
    """The seq of the message."""
    text: str
    """The whole new text; empty if the message was deleted later: that event follows."""
    mentions: Sequence[str] = ()
    custom_type: str = ""
    custom_data: str = ""


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    """A message was deleted: forget its text wherever it is kept. It still has its place, and is still counted."""

    channel_id: str
    seq: int
    time_ms: int
    by: str
    target: int
    """The seq of the message."""
    reply_to: int = 0
    """The seq of the message that it answered, which now has a reply less; 0: none."""


@dataclass(frozen=True, slots=True)
class ReactionChanged:
    """Somebody reacted to a message, or took a reaction back."""

    channel_id: str
    seq: int
    time_ms: int
    by: str
    target: int
    """The seq of the message."""
    key: str
    """An emoji, or a name of the application's own."""
    removed: bool
    """It was taken back."""


@dataclass(frozen=True, slots=True)
class MembershipChanged:
    """People were added to a channel, went, or have another role."""

    channel_id: str
    seq: int
    time_ms: int
    by: str
    """Who did it; empty: the application itself."""
    added: Sequence[str]
    removed: Sequence[str]
    roles: Mapping[str, MemberRole] = field(default_factory=dict)
    """Who has another role now, or joined with one that is not MEMBER."""


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """What is shown of a channel, or who may do what in it, changed: see `client.joined`."""

    channel_id: str
    seq: int
    time_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class ChannelDeleted:
    """The channel and all that was said in it is gone, for everybody and for ever."""

    channel_id: str
    seq: int
    time_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class ChannelJoined:
    """This user is now a member of a channel."""

    channel: Channel

    @property
    def channel_id(self) -> str:
        return self.channel.channel_id


@dataclass(frozen=True, slots=True)
class ChannelLeft:
    """This user is no longer a member of a channel."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class TypingChanged:
    """Somebody types or stopped; the SDK also says so when nothing was heard of it for 6 s. May be lost."""

    channel_id: str
    user_id: str
    active: bool


@dataclass(frozen=True, slots=True)
class ReadChanged:
    """A member has read everything up to a seq. Only in channels of at most 100 members."""

    channel_id: str
    user_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class DeliveredChanged:
    """Everything up to a seq has reached a device of a member's. Only in channels of at most 100 members."""

    channel_id: str
    user_id: str
    seq: int


@dataclass(frozen=True, slots=True)
class PreferencesChanged:
    """This user, perhaps on another device, wants to have a channel otherwise: muted, pinned, hidden, marked unread."""

    channel_id: str
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class SignalRefused:
    """The server would not have what `mark_read` or `watch` said; these wait for no answer, so it comes here."""

    signal: Literal["mark_read", "watch"]
    subjects: Sequence[str]
    """The channel, or the people."""
    error: Refused


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """A watched user came or went."""

    user_id: str
    online: bool
    last_seen_time_ms: int
    """0: not known, or here now."""


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The connection's state changed."""

    state: ConnectionState
    detail: str = ""
    """Why, for people."""


LogEvent = (
    MessageReceived
    | MessageEdited
    | MessageDeleted
    | ReactionChanged
    | MembershipChanged
    | ChannelChanged
    | ChannelDeleted
)
"""An event of a channel's log: none is lost, doubled or out of order within its channel."""

ClientEvent = (
    LogEvent
    | ChannelJoined
    | ChannelLeft
    | PreferencesChanged
    | TypingChanged
    | ReadChanged
    | DeliveredChanged
    | PresenceChanged
    | SignalRefused
    | ConnectionChanged
)
"""Anything that `Client.events` yields."""
