"""The logic of ranges: whatever comes in whatever order, each event is delivered once and in order."""

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from tertulia.chat.v1 import event_pb2
from tertulia.follow import AheadRoom, Deliver, Follower, Range

HEAD = 60


def part(first: int, last: int, *, sent: bool = True, blank: frozenset[int] = frozenset()) -> Range:
    events = [event_pb2.Event(seq=seq) for seq in range(first, last + 1) if seq not in blank]
    return Range(first, last, events if sent else None)


def into(delivered: list[int]) -> Deliver:
    """Delivers seqs into a list, for which there is always room."""

    def deliver(events: Sequence[event_pb2.Event]) -> bool:
        delivered.extend(event.seq for event in events)
        return True

    return deliver


@given(
    st.lists(st.tuples(st.integers(-8, 6), st.integers(0, 12), st.booleans()), max_size=40),
    st.integers(0, 30),
    st.integers(0, 2**32),
)
def test_any_ranges_and_a_fetch_of_what_is_missing_give_each_event_once_in_order(
    ranges: list[tuple[int, int, bool]], ahead: int, seed: int
) -> None:
    dice = random.Random(seed)
    blank = frozenset(dice.sample(range(1, HEAD + 1), 10))  # events that are not for this reader
    delivered: list[int] = []

    def deliver(events: Sequence[event_pb2.Event]) -> bool:
        if dice.random() < 0.2:
            return False  # no room
        delivered.extend(event.seq for event in events)
        return True

    room = AheadRoom(ahead)
    follower = Follower(0, deliver, room)
    for distance, length, sent in ranges:
        first = min(HEAD, max(1, follower.position + distance))
        follower.on_range(part(first, min(HEAD, first + length), sent=sent, blank=blank))
        if dice.random() < 0.1:
            follower.forget_ahead()
    follower.on_range(part(HEAD, HEAD, blank=blank))
    fetches = 0
    while follower.missing:
        fetches += 1
        assert fetches < 1_000
        first = follower.position + 1
        follower.on_range(part(first, min(HEAD, first + dice.randrange(1, 9)), blank=blank))
    assert delivered == [seq for seq in range(1, HEAD + 1) if seq not in blank]
    assert follower.position == HEAD
    assert room.events == ahead, "room that was taken is given back"


def test_what_is_ahead_of_a_hole_is_kept_and_follows_when_the_hole_is_filled() -> None:
    delivered: list[int] = []
    follower = Follower(0, into(delivered), AheadRoom(10))
    follower.on_range(part(3, 4))
    assert follower.missing
    assert delivered == []
    follower.on_range(part(1, 2))
    assert delivered == [1, 2, 3, 4]
    assert not follower.missing


def test_no_more_is_kept_ahead_than_there_is_room_for() -> None:
    room = AheadRoom(2)
    follower = Follower(0, lambda _events: True, room)
    follower.on_range(part(3, 4))
    follower.on_range(part(6, 6))
    assert room.events == 0
    follower.on_range(part(1, 2))
    assert follower.position == 4
    assert follower.missing


def test_a_position_is_set_back_only_before_anything_was_delivered() -> None:
    delivered: list[int] = []
    follower = Follower(5, into(delivered), AheadRoom(10))
    follower.set_back(3)
    assert (follower.position, follower.missing) == (3, True)
    follower.on_range(part(4, 6))
    follower.set_back(1)
    assert (follower.position, delivered) == (6, [4, 5, 6])
