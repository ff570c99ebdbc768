"""What the SDK hands out: plain values. Times are milliseconds since the Unix epoch, with a `datetime` in UTC beside those
that people look at. `tertulia.readings` makes them from the API's messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum


def utc(time_ms: int) -> datetime:
    """A time in milliseconds as a datetime in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


class ChannelKind(Enum):
    """What kind of channel."""

    DIRECT = "direct"
    """Two people; its id follows from who they are, its members never change."""
    GROUP = "group"
    """People who were added."""
    OPEN = "open"
    """Anybody of the application may find and join it."""
    BROADCAST = "broadcast"
    """Owners, operators and the application write; everybody else reads and reacts."""
    UNKNOWN = "unknown"
    """Of a kind that a newer server has."""


class MemberRole(Enum):
    """What a member may do."""

    MEMBER = "member"
    """Reads and writes."""
    OPERATOR = "operator"
    """Adds and removes people, changes what is shown, deletes others' messages, need not wait in slow mode."""
    OWNER = "owner"
    """Everything: operators' rights, roles, deleting the channel."""
    UNKNOWN = "unknown"
    """Of a role that a newer server has."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message is durable: it is in every later read, at this place."""

    seq: int
    time_ms: int
    client_message_id: str

    @property
    def time(self) -> datetime:
        return utc(self.time_ms)


@dataclass(frozen=True, slots=True)
class Changed:
    """An edit, a deletion or a reaction is durable, as the event at this place. If it changed nothing (a reaction that was
    there already), the seq is that of an event that it was done by before."""

    seq: int
    time_ms: int

    @property
    def time(self) -> datetime:
        return utc(self.time_ms)


@dataclass(frozen=True, slots=True)
class Reaction:
    """The people who reacted to a message in one way."""

    key: str
    """An emoji, or a name of the application's own."""
    count: int
    user_ids: Sequence[str]
    """In the order in which they did."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands in a channel, with what became of it up to the moment of the question."""

    channel_id: str
    seq: int
    """Its place in the channel, and its id there."""
    time_ms: int
    """When it was said: for imported messages the original time, else when the server accepted it."""
    author: str
    """User id; empty: the application itself."""
    text: str
    """The current one: that of the newest edit. Empty once it is deleted."""
    reply_to: int
    """The seq of the message that it answers; 0: none."""
    mentions: Sequence[str]
    custom_type: str
    custom_data: str
    message_count: int
    """How many messages the channel holds up to this one."""
    client_message_id: str
    imported: bool
    edit_time_ms: int = 0
    """When it was edited last; 0: never."""
    deleted: bool = False
    """Its text is gone for everybody and for ever; its place stays."""
    deleted_by: str = ""
    """Who deleted it; empty: the application."""
    delete_time_ms: int = 0
    reactions: Sequence[Reaction] = ()
    """In the order in which their keys came into use."""
    reply_count: int = 0
    """How many messages answer it that were not deleted."""

    @property
    def time(self) -> datetime:
        return utc(self.time_ms)

    @property
    def edited(self) -> bool:
        return self.edit_time_ms != 0


@dataclass(frozen=True, slots=True)
class User:
    """A person's profile."""

    user_id: str
    name: str
    """Empty: show the id."""
    avatar_url: str
    create_time_ms: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel."""

    channel_id: str
    kind: ChannelKind
    name: str
    creator: str
    create_time_ms: int
    member_count: int
    cover_url: str = ""
    custom_data: str = ""
    """The application's own, usually JSON."""
    slow_mode_seconds: int = 0
    """Members who are no operators wait so long between two messages; 0: they need not."""
    etag: str = field(default="", compare=False)
    """Give it to `channels.update`, and the update is done only if nobody was first. Empty in `client.joined` once the
    channel was changed while the client was connected: `channels.get` has the new one."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a channel."""

    user_id: str
    role: MemberRole
    join_time_ms: int
    read_seq: int
    """They have read everything up to this seq."""
    delivered_seq: int
    """Everything up to this seq has reached a device of theirs. Never below `read_seq`."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What somebody may do in a channel now."""

    send: bool
    """Say something; edit and delete what they said."""
    react: bool
    moderate: bool
    """Delete others' messages; no waiting in slow mode."""
    manage: bool
    """Add and remove members; change what is shown."""
    own: bool
    """Give roles; delete the channel."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How one member wants to have a channel. Nobody else sees it."""

    muted: bool = False
    pinned: bool = False
    """Listed before all others."""
    hidden: bool = False
    """Not listed, until the next message: see `MyChannel.hidden`."""
    marked_unread: bool = False
    """Shown as unread although it was read."""
    version: int = 0
    """Rises by one with every change."""
    hidden_message_count: int = 0
    """How many messages the log held when it was hidden."""


@dataclass(frozen=True, slots=True)
class MyChannel:
    """A channel as its member has it, at the moment of the question."""

    channel: Channel
    head_seq: int
    last_message: Message | None
    read_seq: int
    delivered_seq: int
    unread: int
    mention_count: int | None
    """How many messages after `read_seq` mention the member, at most 100. None: not counted (far down in a long list)."""
    peer: str
    """Of a direct channel: the other member."""
    role: MemberRole
    permissions: Permissions
    preferences: Preferences
    hidden: bool
    """Hidden, and nothing was said since."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a user has a session open anywhere."""

    user_id: str
    online: bool
    last_seen_time_ms: int
    """0: not known, or here now."""
