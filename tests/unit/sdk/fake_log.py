"""What the fake gateway keeps of a channel."""

from dataclasses import dataclass, field

import grpc
from tertulia import states
from tertulia.chat.v1 import channel_pb2, error_pb2, event_pb2, role_pb2, session_pb2


class Refusal(Exception):
    """A hook's answer to a command: refuse it."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: error_pb2.ErrorReason.ValueType,
        *,
        retry_after_ms: int = 0,
        **metadata: str,
    ) -> None:
        super().__init__(str(reason))
        self.code, self.reason, self.metadata, self.retry_after_ms = code, reason, metadata, retry_after_ms


class LoseAnswer(Exception):
    """A hook's answer to a send: do it, then break the connection before the acknowledgement."""


@dataclass
class Log:
    """A channel: its events, and what its members have made of it."""

    channel_id: str
    log_id: bytes
    members: set[str]
    events: list[event_pb2.Event] = field(default_factory=list)
    reads: dict[str, int] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    roles: dict[str, role_pb2.MemberRole.ValueType] = field(default_factory=dict)
    preferences: dict[str, event_pb2.ChannelPreferences] = field(default_factory=dict)
    fields: event_pb2.ChannelFields = field(default_factory=event_pb2.ChannelFields)
    policy_version: int = 1
    blocked: bool = False
    kind: channel_pb2.ChannelKind.ValueType = channel_pb2.CHANNEL_KIND_GROUP

    @property
    def head(self) -> int:
        return len(self.events)

    def count(self, seq: int) -> int:
        return self.events[seq - 1].message_count if seq else 0

    def append(self, event: event_pb2.Event) -> event_pb2.Event:
        event.seq = self.head + 1
        event.time_ms = 1_700_000_000_000 + event.seq
        event.message_count = self.count(self.head) + event.HasField("message")
        self.events.append(event)
        return event

    def amend(self, event: event_pb2.Event, target_seq: int) -> event_pb2.Event:
        """Append an edit, a deletion or a reaction of what is a message and was not deleted.

        Raises:
            Refusal: it is none, or was.
        """
        message = self.read(target_seq)
        if message is None:
            raise Refusal(grpc.StatusCode.NOT_FOUND, error_pb2.ERROR_REASON_MESSAGE_NOT_FOUND)
        if message.state.deleted:
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, error_pb2.ERROR_REASON_MESSAGE_DELETED)
        if event.HasField("message_edited") and message.sender_user_id != event.sender_user_id:
            raise Refusal(grpc.StatusCode.PERMISSION_DENIED, error_pb2.ERROR_REASON_NOT_ALLOWED)
        return self.append(event)

    def read(self, seq: int) -> event_pb2.Event | None:
        """A message with its state, as history has it."""
        return next((event for event in self.messages() if event.seq == seq), None)

    def messages(self) -> list[event_pb2.Event]:
        """All messages with their states."""
        found: dict[int, event_pb2.Event] = {}
        for event in self.events:
            for seq in states.targets(event):
                if seq in found:
                    states.apply(found[seq].state, seq, event)
            if event.HasField("message"):
                found[event.seq] = event_pb2.Event()
                found[event.seq].CopyFrom(event)
        for event in found.values():
            if event.state.deleted:
                event.message.CopyFrom(event_pb2.Message(reply_to_seq=event.message.reply_to_seq))
        return list(found.values())

    def mentions(self, user_id: str, blocked: set[str]) -> int:
        """How many unread messages mention a user."""
        unread = [event for event in self.messages() if event.seq > self.reads.get(user_id, 0)]
        current = [(event.state.edited if event.state.HasField("edited") else event.message, event) for event in unread]
        return sum(
            user_id in message.mentioned_user_ids and not event.state.deleted and event.sender_user_id not in blocked
            for message, event in current
        )

    def slice(self, after: int, to: int | None = None) -> session_pb2.Slice:
        to = self.head if to is None else to
        return session_pb2.Slice(
            log_id=self.log_id, from_seq=after + 1, to_seq=to, head_seq=self.head, events=self.events[after:to]
        )

    def mine(self, user_id: str, blocked: set[str] | None = None) -> channel_pb2.MyChannel:
        read = self.reads.get(user_id, 0)
        messages = self.messages()
        role = self.roles.get(user_id, role_pb2.MEMBER_ROLE_MEMBER)
        leads = role != role_pb2.MEMBER_ROLE_MEMBER
        return channel_pb2.MyChannel(
            channel=self.proto(),
            head_seq=self.head,
            head_message_count=self.count(self.head),
            last_message=messages[-1] if messages else None,
            read_seq=read,
            read_message_count=self.count(read),
            unread_count=self.count(self.head) - self.count(read),
            role=role,
            permissions=channel_pb2.ChannelPermissions(
                send=not self.blocked, react=not self.blocked, moderate=leads, manage=leads, own=leads
            ),
            mention_count=self.mentions(user_id, blocked or set()),
            delivered_seq=max(read, self.deliveries.get(user_id, 0)),
            preferences=self.preferences.get(user_id),
        )

    def proto(self) -> channel_pb2.Channel:
        return channel_pb2.Channel(
            channel_id=self.channel_id,
            log_id=self.log_id,
            kind=self.kind,
            member_count=len(self.members),
            policy_version=self.policy_version,
            name=self.fields.name,
            cover_url=self.fields.cover_url,
            custom_data=self.fields.custom_data,
            slow_mode_seconds=self.fields.slow_mode_seconds,
            etag=f"v{self.policy_version}",
        )
