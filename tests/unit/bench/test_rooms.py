"""Who is where in row W2."""

from collections import Counter
from itertools import combinations

from tests.bench.rooms import crossed


def test_the_rooms_are_as_the_table_says() -> None:
    users = [f"user{number}" for number in range(1_000)]
    rooms = crossed(users, rooms_per_user=5, members=10, prefix="room")
    assert len(rooms) == 500
    assert all(len(set(members)) == 10 for members in rooms.values())
    assert set(Counter(user for members in rooms.values() for user in members).values()) == {5}


def test_no_two_users_meet_in_two_rooms() -> None:
    rooms = crossed([f"user{number}" for number in range(1_000)], rooms_per_user=5, members=10, prefix="room")
    pairs = Counter(pair for members in rooms.values() for pair in combinations(sorted(members), 2))
    assert set(pairs.values()) == {1}
