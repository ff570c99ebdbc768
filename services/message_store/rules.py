"""What may be done to a message, and what would change nothing. Limits stand in the public protos, at MessageState."""

from tertulia.chat.v1 import event_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Kind, Millis, Seq
from libs.log_store.amendments import Target
from services.message_store.items import Item, Refusal

MAX_EDITS = 100
MAX_REACTION_KEYS = 50
MAX_REACTIONS = 1_000


def refusal(item: Item, content: event_pb2.Event, target: Target) -> Refusal.ValueType:
    """Why an item about a message is refused; APPEND_REFUSAL_UNSPECIFIED: it is not."""
    if item.target_sender_user_id not in {None, target.sender_user_id}:
        return log_pb2.APPEND_REFUSAL_TARGET_OF_ANOTHER
    if target.state.deleted and item.kind is not Kind.DELETION:
        return log_pb2.APPEND_REFUSAL_TARGET_DELETED
    if item.kind is Kind.EDIT and len(target.state.edit_seqs) >= MAX_EDITS:
        return log_pb2.APPEND_REFUSAL_TARGET_FULL
    if item.kind is Kind.REACTION and _adds_too_much(item, content.reaction_changed, target.state):
        return log_pb2.APPEND_REFUSAL_TARGET_FULL
    return log_pb2.APPEND_REFUSAL_UNSPECIFIED


def unchanged_since(item: Item, content: event_pb2.Event, target: Target) -> tuple[Seq, Millis] | None:
    """If an item that is not refused would change nothing: a seq at which that was so, and its time if it is known."""
    state = target.state
    if item.kind is Kind.DELETION and state.deleted:
        return target.deletion_seq, Millis(state.delete_time_ms)
    if item.kind is Kind.REACTION and _has_reacted(item, content.reaction_changed, state) is not (
        content.reaction_changed.removed
    ):
        return Seq(state.as_of_seq or target.seq), Millis(0)
    return None


def completed(content: event_pb2.Event, target: Target) -> event_pb2.Event:
    """The content of an item with what only the owner knows of its target."""
    if content.HasField("message_edited"):
        content.message_edited.message.reply_to_seq = target.first.reply_to_seq
        content.message_edited.message.original_time_ms = target.first.original_time_ms
    elif content.HasField("message_deleted"):
        content.message_deleted.reply_to_seq = target.first.reply_to_seq
    return content


def _adds_too_much(item: Item, change: event_pb2.ReactionChanged, state: event_pb2.MessageState) -> bool:
    if change.removed or _has_reacted(item, change, state):
        return False
    a_new_key = all(reaction.key != change.key for reaction in state.reactions)
    if a_new_key and len(state.reactions) >= MAX_REACTION_KEYS:
        return True
    return sum(reaction.count for reaction in state.reactions) >= MAX_REACTIONS


def _has_reacted(item: Item, change: event_pb2.ReactionChanged, state: event_pb2.MessageState) -> bool:
    return any(
        reaction.key == change.key and item.send.sender_user_id in reaction.user_ids for reaction in state.reactions
    )
