"""A log in memory, and pieces of it as owners ring them and as reads return them."""

from collections.abc import Iterable

from tertulia.chat.v1 import event_pb2, role_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.message_store.v1 import log_pb2

from services.gateway.log_client import LogName
from services.gateway.segments import Segment, segment_of_doorbell, segments_of_read

LOG = LogName("app", b"L" * 16)


class MemoryLog:
    """Numbers events 1, 2, 3 … and remembers their bytes."""

    def __init__(self) -> None:
        self.events: list[bytes] = []
        self.policy_version = 0

    @property
    def head(self) -> int:
        return len(self.events)

    @property
    def messages(self) -> list[int]:
        """The seqs of the messages."""
        events = [event_pb2.Event.FromString(encoded) for encoded in self.events]
        return [event.seq for event in events if event.HasField("message")]

    def say(self, text: str = "hello") -> None:
        self.append(event_pb2.Event(message=event_pb2.Message(text=text)))

    def change(self, added: Iterable[str] = (), removed: Iterable[str] = (), promoted: Iterable[str] = ()) -> None:
        """A control event, which makes a new version of the policy."""
        self.policy_version += 1
        change = event_pb2.MembershipChange(
            policy_version=self.policy_version,
            added_user_ids=added,
            removed_user_ids=removed,
            role_changes=[
                event_pb2.RoleChange(user_id=user_id, role=role_pb2.MEMBER_ROLE_OPERATOR) for user_id in promoted
            ],
        )
        self.append(event_pb2.Event(membership_change=change))

    def edit(self, target_seq: int, text: str) -> None:
        message = event_pb2.Message(text=text)
        self.append(event_pb2.Event(message_edited=event_pb2.MessageEdited(target_seq=target_seq, message=message)))

    def react(self, target_seq: int) -> None:
        self.append(event_pb2.Event(reaction_changed=event_pb2.ReactionChanged(target_seq=target_seq, key="+")))

    def delete(self, target_seq: int) -> None:
        """Later reads have the text no more."""
        rest = event_pb2.Event(seq=target_seq, time_ms=1, state=event_pb2.MessageState(deleted=True))
        self.events[target_seq - 1] = event_pb2.Event(message=event_pb2.Message()).SerializeToString() + (
            rest.SerializeToString()
        )
        self.append(event_pb2.Event(message_deleted=event_pb2.MessageDeleted(target_seq=target_seq)))

    def change_channel(self) -> None:
        """A control event about what is shown of the channel, or its policy."""
        self.policy_version += 1
        self.append(event_pb2.Event(channel_changed=event_pb2.ChannelChanged(policy_version=self.policy_version)))

    def delete_channel(self) -> None:
        self.policy_version += 1
        self.append(event_pb2.Event(channel_deleted=event_pb2.ChannelDeleted(policy_version=self.policy_version)))

    def segments(self, from_seq: int, to_seq: int) -> list[Segment]:
        """As a read returns them."""
        to_seq = min(to_seq, self.head)
        response = log_pb2.ReadResponse(
            events=self.events[from_seq - 1 : to_seq], from_seq=from_seq, to_seq=to_seq, head_seq=self.head
        )
        return list(segments_of_read(LOG.log_id, response))

    def doorbells(self, from_seq: int, to_seq: int) -> list[Segment]:
        """As an owner rings a flush: one, or more where it is cut behind what is to be looked into."""
        bells = []
        for segment in self.segments(from_seq, to_seq):
            bell = signal_pb2.Doorbell(
                from_seq=segment.from_seq,
                to_seq=segment.to_seq,
                frame=segment.frame,
                control=segment.control is not None,
            )
            bells.append(segment_of_doorbell(bell))
        return bells

    def append(self, content: event_pb2.Event) -> None:
        rest = event_pb2.Event(seq=self.head + 1, time_ms=1, sender_user_id="somebody")
        self.events.append(content.SerializeToString() + rest.SerializeToString())


def slice_of(frame: bytes) -> session_pb2.Slice:
    [piece] = session_pb2.ServerFrame.FromString(frame).slices
    return piece
