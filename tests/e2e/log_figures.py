"""What a member's figures must be, computed from a channel's log alone, by nothing of the product's code."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tertulia.chat.v1 import event_pb2


@dataclass(slots=True)
class Said:
    """A message as the events after it have left it."""

    seq: int
    author: str
    text: str
    mentions: set[str]
    reply_to: int
    deleted: bool = False
    edits: int = 0
    replies: int = 0
    reactions: dict[str, set[str]] = field(default_factory=dict)


def messages_of(events: Sequence[event_pb2.Event]) -> dict[int, Said]:
    """The messages of a log, as all its events make them."""
    found: dict[int, Said] = {}
    for event in events:
        match event.WhichOneof("content"):
            case "message":
                message = event.message
                said = Said(
                    event.seq, event.sender_user_id, message.text, set(message.mentioned_user_ids), message.reply_to_seq
                )
                found[event.seq] = said
                if said.reply_to:
                    found[said.reply_to].replies += 1
            case "message_edited":
                said = found[event.message_edited.target_seq]
                said.edits += 1
                if not said.deleted:
                    said.text = event.message_edited.message.text
                    said.mentions = set(event.message_edited.message.mentioned_user_ids)
            case "message_deleted":
                said = found[event.message_deleted.target_seq]
                said.deleted, said.text, said.mentions, said.reactions = True, "", set(), {}
                if said.reply_to:
                    found[said.reply_to].replies -= 1
            case "reaction_changed":
                change = event.reaction_changed
                who = found[change.target_seq].reactions.setdefault(change.key, set())
                (who.discard if change.removed else who.add)(event.sender_user_id)
            case _:
                pass
    return found


def unread_after(messages: dict[int, Said], seq: int) -> int:
    """Deleted messages count: they were said."""
    return sum(said.seq > seq for said in messages.values())


def mentions_after(messages: dict[int, Said], seq: int, user_id: str, blocked: Collection[str]) -> int:
    return sum(
        said.seq > seq and user_id in said.mentions and not said.deleted and said.author not in blocked
        for said in messages.values()
    )
