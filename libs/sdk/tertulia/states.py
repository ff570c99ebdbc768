"""What later events make of a message, as a pure function: who applies the same events has the same state.

A message that was read from the log comes with its state; live events follow without one. Whoever applies each of them to
the messages in `targets`, has what a fresh read would give:

    for seq in targets(event):
        if seq in messages:
            apply(messages[seq].state, seq, event)
"""

from collections.abc import Sequence

from tertulia.chat.v1 import event_pb2


def targets(event: event_pb2.Event) -> Sequence[int]:
    """The seqs of the messages whose state an event changes: none, one, or two for the deletion of a reply."""
    kind = event.WhichOneof("content")
    if kind == "message":
        seqs = [event.message.reply_to_seq]
    elif kind == "message_edited":
        seqs = [event.message_edited.target_seq]
    elif kind == "message_deleted":
        seqs = [event.message_deleted.target_seq, event.message_deleted.reply_to_seq]
    elif kind == "reaction_changed":
        seqs = [event.reaction_changed.target_seq]
    else:
        seqs = []
    return [seq for seq in seqs if seq]


def apply(state: event_pb2.MessageState, seq: int, event: event_pb2.Event) -> bool:
    """Bring the state of the message at `seq` on by an event; whether that changed it.

    Events must come in order of their seqs; those that the state has in it already, and those about other messages, change
    nothing. What a message may have at most is not asked here: the log's owner refused what was too much.
    """
    if event.seq <= state.as_of_seq or seq not in targets(event):
        return False
    kind = event.WhichOneof("content")
    if kind == "message":
        state.reply_count += 1
        state.last_reply_seq = event.seq
    elif kind == "message_deleted" and event.message_deleted.target_seq != seq:
        state.reply_count -= 1
    elif state.deleted:
        return False  # for ever: nothing comes back
    elif kind == "message_deleted":
        state.deleted = True
        state.deleted_by_user_id = event.sender_user_id
        state.delete_time_ms = event.time_ms
        state.ClearField("edited")
        state.ClearField("reactions")
    elif kind == "message_edited":
        state.edit_seqs.append(event.seq)
        state.edit_time_ms = event.time_ms
        if event.message_edited.HasField("message"):  # else it was deleted later, and that event is to come
            state.edited.CopyFrom(event.message_edited.message)
    else:
        _react(state, event.sender_user_id, event.reaction_changed)
    state.as_of_seq = event.seq
    return True


def _react(state: event_pb2.MessageState, user_id: str, change: event_pb2.ReactionChanged) -> None:
    reaction = next((reaction for reaction in state.reactions if reaction.key == change.key), None)
    if reaction is None:
        if change.removed:
            return
        reaction = state.reactions.add(key=change.key)
    if change.removed and user_id in reaction.user_ids:
        reaction.user_ids.remove(user_id)
    elif not change.removed and user_id not in reaction.user_ids:
        reaction.user_ids.append(user_id)
    reaction.count = len(reaction.user_ids)
    if not reaction.count:
        state.reactions.remove(reaction)
