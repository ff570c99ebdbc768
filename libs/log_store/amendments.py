"""What events change beside their own rows, as the public fold of states (`tertulia.states`) says."""

from collections.abc import Iterable, Mapping

from tertulia import states
from tertulia.chat.v1 import event_pb2

from libs.log_store.types import NO_AMENDMENTS, Amendments, Entry, Kind, Mention, Overlay, Redaction, Row, Seq


class Target:
    """A message that events are about, and what they made of it."""

    __slots__ = ("__weakref__", "deletion_seq", "first", "sender_user_id", "seq", "state")

    def __init__(self, entry: Entry) -> None:
        """Of a row that is a message."""
        event = event_pb2.Event.FromString(entry.row.event + entry.state)
        self.seq = entry.row.seq
        self.sender_user_id = entry.row.sender_user_id
        self.first = event.message
        """The content that it came with; nothing of it is left once it was deleted, but what it answers."""
        self.state = event.state
        self.deletion_seq = entry.deletion_seq
        """0: it was not deleted."""

    @property
    def reply_to_seq(self) -> Seq:
        return Seq(self.first.reply_to_seq)

    def mentioned(self) -> set[str]:
        """Whom it mentions now."""
        if self.state.deleted:
            return set()
        content = self.state.edited if self.state.HasField("edited") else self.first
        return set(content.mentioned_user_ids)

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return 1_000 + self.first.ByteSize() + self.state.ByteSize()


class Amending:
    """Collects amendments. Events are to come in order of seq, all of them or again from any one on."""

    def __init__(self) -> None:
        self._targets: dict[Seq, Target] = {}
        self._redactions: list[Redaction] = []
        self._mentions: dict[tuple[str, Seq], Mention] = {}

    def add(self, event: event_pb2.Event, targets: Mapping[Seq, Target]) -> None:
        """Bring those of `targets` on that the event is about: all of them must be there; see `tertulia.states.targets`."""
        seq = Seq(event.seq)
        if event.HasField("message"):
            self._mention(event.message.mentioned_user_ids, seq, event.sender_user_id, seq, active=True)
        for target_seq in map(Seq, states.targets(event)):
            target = targets.get(target_seq)
            if target is None:
                continue  # a reply that nobody said to be one: it was not looked whether there is such a message
            before = target.mentioned()
            if states.apply(target.state, target_seq, event):  # else its mentions were durable before its state was
                after = target.mentioned()
                self._mention(before - after, target_seq, target.sender_user_id, seq, active=False)
                self._mention(after - before, target_seq, target.sender_user_id, seq, active=True)
            if event.message_deleted.target_seq == target_seq:
                target.deletion_seq = seq
                edits = map(Seq, target.state.edit_seqs)
                self._redactions.append(Redaction(seq, [target_seq, *edits]))
                target.first = event_pb2.Message(reply_to_seq=target.reply_to_seq)
            self._targets[target_seq] = target

    def _mention(self, user_ids: Iterable[str], seq: Seq, sender_user_id: str, as_of_seq: Seq, *, active: bool) -> None:
        for user_id in user_ids:
            self._mentions[user_id, seq] = Mention(user_id, seq, sender_user_id, active, as_of_seq)

    def amendments(self) -> Amendments:
        """All that was collected."""
        if not self._targets and not self._mentions:
            return NO_AMENDMENTS
        return Amendments(
            [_overlay(target) for target in self._targets.values()], self._redactions, list(self._mentions.values())
        )


def amends(row: Row) -> bool:
    """Whether anything may follow from a row beside itself."""
    return row.target_seq != 0 or (row.kind is Kind.MESSAGE and may_mention(row.event))


def may_mention(event: bytes) -> bool:
    """False: an encoded message mentions nobody. True: it must be decoded to know. The tag of the field is a byte that texts
    hardly have."""
    return _MENTIONED in event


_MENTIONED = bytes([event_pb2.Message.MENTIONED_USER_IDS_FIELD_NUMBER << 3 | 2])


def _overlay(target: Target) -> Overlay:
    state = event_pb2.Event(state=target.state).SerializeToString()
    return Overlay(target.seq, Seq(target.state.as_of_seq), target.state.deleted, state)
