"""What later events make of a message: whoever applies live events to what was read has what a fresh read gives."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tertulia.chat.v1 import event_pb2
from tertulia.states import apply, targets

FIRST, SECOND = 1, 2  # the messages of every log here; the second answers the first


def edit(target: int, text: str, user: str) -> event_pb2.Event:
    edited = event_pb2.MessageEdited(target_seq=target, message=event_pb2.Message(text=text))
    return event_pb2.Event(sender_user_id=user, message_edited=edited)


def deletion(target: int, user: str) -> event_pb2.Event:
    deleted = event_pb2.MessageDeleted(target_seq=target, reply_to_seq=FIRST if target == SECOND else 0)
    return event_pb2.Event(sender_user_id=user, message_deleted=deleted)


def reaction(target: int, key: str, user: str, removed: bool) -> event_pb2.Event:
    changed = event_pb2.ReactionChanged(target_seq=target, key=key, removed=removed)
    return event_pb2.Event(sender_user_id=user, reaction_changed=changed)


def reply(target: int, user: str) -> event_pb2.Event:
    return event_pb2.Event(sender_user_id=user, message=event_pb2.Message(text="yes", reply_to_seq=target))


messages = st.sampled_from([FIRST, SECOND])
users = st.sampled_from("abc")
events = st.one_of(
    st.builds(edit, messages, st.sampled_from(["better", "best"]), users),
    st.builds(deletion, messages, users),
    st.builds(reaction, messages, st.sampled_from("+-"), users, st.booleans()),
    st.builds(reply, messages, users),
    st.just(event_pb2.Event(membership_change=event_pb2.MembershipChange(policy_version=2))),
)


def logged(content: Sequence[event_pb2.Event]) -> list[event_pb2.Event]:
    """A log: two messages, and then what is given, as far as an owner would have let it in."""
    log = [
        event_pb2.Event(message=event_pb2.Message(text="shall we?")),
        event_pb2.Event(message=event_pb2.Message(text="let us", reply_to_seq=FIRST)),
    ]
    deleted = set[int]()
    for event in content:
        if event.HasField("message_deleted"):
            if event.message_deleted.target_seq in deleted:
                continue
            deleted.add(event.message_deleted.target_seq)
        log.append(event_pb2.Event.FromString(event.SerializeToString()))
    for seq, event in enumerate(log, start=1):
        event.seq, event.time_ms = seq, 1_000 * seq
    return log


def fold(
    log: Sequence[event_pb2.Event], seq: int, state: event_pb2.MessageState | None = None
) -> event_pb2.MessageState:
    result = event_pb2.MessageState()
    if state is not None:
        result.CopyFrom(state)
    for event in log:
        apply(result, seq, event)
    return result


def state_of(*content: event_pb2.Event, seq: int = FIRST) -> event_pb2.MessageState:
    return fold(logged(content), seq)


@given(st.lists(events, max_size=15), st.data(), messages)
def test_a_state_that_was_read_and_the_live_rest_make_the_fresh_state(
    content: Sequence[event_pb2.Event], data: st.DataObject, seq: int
) -> None:
    log = logged(content)
    read_up_to = data.draw(st.integers(0, len(log)))
    live_from = data.draw(st.integers(0, read_up_to))  # subscribe first, then read: some come twice

    read = fold(log[:read_up_to], seq)

    assert fold(log[live_from:], seq, read) == fold(log, seq)


@given(st.lists(events, max_size=15), messages)
def test_the_text_of_a_deleted_message_does_not_come_back(content: Sequence[event_pb2.Event], seq: int) -> None:
    log = logged(content)
    gone = any(event.message_deleted.target_seq == seq for event in log)

    state = fold(log, seq)

    assert state.deleted is gone
    assert not gone or not (state.HasField("edited") or state.reactions)


@given(st.lists(events, max_size=15), messages)
def test_edits_that_were_blanked_by_a_deletion_lead_to_the_same_state(
    content: Sequence[event_pb2.Event], seq: int
) -> None:
    log = logged(content)
    blanked = logged(content)
    gone = {event.message_deleted.target_seq for event in log if event.HasField("message_deleted")}
    for event in blanked:
        if event.message_edited.target_seq in gone:
            event.message_edited.ClearField("message")

    assert fold(blanked, seq) == fold(log, seq)


def test_an_event_concerns_the_messages_whose_state_it_changes() -> None:
    assert targets(edit(FIRST, "better", "a")) == [FIRST]
    assert targets(reply(SECOND, "a")) == [SECOND]
    assert targets(deletion(FIRST, "a")) == [FIRST]
    assert targets(deletion(SECOND, "a")) == [SECOND, FIRST]
    assert targets(event_pb2.Event(message=event_pb2.Message(text="hi"))) == []
    assert targets(event_pb2.Event(channel_joined=event_pb2.ChannelJoined())) == []


def test_edits_are_listed_and_the_newest_content_counts() -> None:
    state = state_of(edit(FIRST, "better", "a"), reply(SECOND, "b"), edit(FIRST, "best", "a"))

    assert (list(state.edit_seqs), state.edit_time_ms, state.edited.text) == ([3, 5], 5_000, "best")


def test_reactions_stand_in_order_of_use_with_their_people() -> None:
    state = state_of(
        reaction(FIRST, "+", "a", removed=False),
        reaction(FIRST, "-", "b", removed=False),
        reaction(FIRST, "+", "c", removed=False),
        reaction(FIRST, "+", "a", removed=True),
        reaction(FIRST, "-", "b", removed=True),
        reaction(FIRST, "-", "b", removed=True),
    )

    assert list(state.reactions) == [event_pb2.Reaction(key="+", count=1, user_ids=["c"])]
    assert state.as_of_seq == 8


def test_a_deletion_says_who_and_when_and_leaves_the_replies_counted() -> None:
    state = state_of(edit(FIRST, "better", "a"), deletion(FIRST, "b"), reply(FIRST, "c"))

    assert (state.deleted, state.deleted_by_user_id, state.delete_time_ms) == (True, "b", 4_000)
    assert (list(state.edit_seqs), state.reply_count, state.last_reply_seq) == ([3], 2, 5)


def test_a_deleted_reply_is_counted_no_more() -> None:
    state = state_of(reply(FIRST, "c"), deletion(SECOND, "a"))

    assert (state.reply_count, state.last_reply_seq) == (1, 3)
    assert not state.deleted
