"""What happens while a client is open, as `Client.events` tells it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tertulia.models import Channel, Message


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
class MembershipChanged:
    """People were added to a channel or went."""

    channel_id: str
    seq: int
    time_ms: int
    by: str
    """Who did it; empty: the application itself."""
    added: Sequence[str]
    removed: Sequence[str]


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


LogEvent = MessageReceived | MembershipChanged
"""An event of a channel's log: none is lost, doubled or out of order within its channel."""

ClientEvent = LogEvent | ChannelJoined | ChannelLeft | TypingChanged | ReadChanged | PresenceChanged | ConnectionChanged
"""Anything that `Client.events` yields."""
