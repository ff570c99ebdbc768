"""What the SDK hands out: plain values, made from the API's messages. Times are milliseconds since the Unix epoch, with a
`datetime` in UTC beside each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from tertulia.chat.v1 import channel_pb2, event_pb2, role_pb2, session_pb2, user_pb2


def utc(time_ms: int) -> datetime:
    """A time in milliseconds as a datetime in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, UTC)


class ChannelKind(Enum):
    """What kind of channel."""

    DIRECT = "direct"
    GROUP = "group"
    UNKNOWN = "unknown"
    """Of a kind that a newer server has."""


_KINDS = {
    channel_pb2.CHANNEL_KIND_DIRECT: ChannelKind.DIRECT,
    channel_pb2.CHANNEL_KIND_GROUP: ChannelKind.GROUP,
}
KIND_TO_PROTO = {kind: proto for proto, kind in _KINDS.items()}


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
class Message:
    """A message as it stands in a channel."""

    channel_id: str
    seq: int
    """Its place in the channel, and its id there."""
    time_ms: int
    """When it was said: for imported messages the original time, else when the server accepted it."""
    author: str
    """User id; empty: the application itself."""
    text: str
    reply_to: int
    """The seq of the message that it answers; 0: none."""
    mentions: Sequence[str]
    custom_type: str
    custom_data: str
    message_count: int
    """How many messages the channel holds up to this one."""
    client_message_id: str
    imported: bool

    @property
    def time(self) -> datetime:
        return utc(self.time_ms)


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


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a channel."""

    user_id: str
    owner: bool
    """May add and remove people."""
    join_time_ms: int
    read_seq: int
    """They have read everything up to this seq."""


@dataclass(frozen=True, slots=True)
class MyChannel:
    """A channel as its member has it, at the moment of the question."""

    channel: Channel
    head_seq: int
    last_message: Message | None
    read_seq: int
    unread: int
    peer: str
    """Of a direct channel: the other member."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a user has a session open anywhere."""

    user_id: str
    online: bool
    last_seen_time_ms: int
    """0: not known, or here now."""


def message_from(channel_id: str, event: event_pb2.Event) -> Message:
    said = event.message
    return Message(
        channel_id=channel_id,
        seq=event.seq,
        time_ms=said.original_time_ms or event.time_ms,
        author=event.sender_user_id,
        text=said.text,
        reply_to=said.reply_to_seq,
        mentions=tuple(said.mentioned_user_ids),
        custom_type=said.custom_type,
        custom_data=said.custom_data,
        message_count=event.message_count,
        client_message_id=event.client_id,
        imported=said.original_time_ms != 0,
    )


def user_from(user: user_pb2.User) -> User:
    return User(user.user_id, user.name, user.avatar_url, user.create_time_ms)


def channel_from(channel: channel_pb2.Channel) -> Channel:
    return Channel(
        channel_id=channel.channel_id,
        kind=_KINDS.get(channel.kind, ChannelKind.UNKNOWN),
        name=channel.name,
        creator=channel.creator_user_id,
        create_time_ms=channel.create_time_ms,
        member_count=channel.member_count,
    )


def member_from(member: channel_pb2.Member) -> Member:
    return Member(
        user_id=member.user_id,
        owner=member.role == role_pb2.MEMBER_ROLE_OWNER,
        join_time_ms=member.join_time_ms,
        read_seq=member.read_seq,
    )


def my_channel_from(mine: channel_pb2.MyChannel) -> MyChannel:
    channel_id = mine.channel.channel_id
    return MyChannel(
        channel=channel_from(mine.channel),
        head_seq=mine.head_seq,
        last_message=message_from(channel_id, mine.last_message) if mine.HasField("last_message") else None,
        read_seq=mine.read_seq,
        unread=mine.unread_count,
        peer=mine.peer_user_id,
    )


def presence_from(presence: session_pb2.Presence) -> Presence:
    return Presence(presence.user_id, presence.online, presence.last_seen_time_ms)
