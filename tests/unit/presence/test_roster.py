"""Who is online, under a clock that the test moves."""

from collections.abc import Iterable

import pytest

from services.presence.roster import Report, Roster, Standing, User

LEASE = 9.0
GRACE = 5.0
ALICE = User("app", "alice")
BOB = User("app", "bob")
ONLINE = Standing(online=True, last_seen_ms=0)
UNKNOWN = Standing(online=False, last_seen_ms=0)


class Clock:
    """Monotonic seconds; the wall clock runs beside it, 1,000,000 seconds ahead."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def wall_ms(self) -> int:
        return round((1_000_000 + self.now) * 1000)


class Gateway:
    """Numbers its reports as a gateway does."""

    def __init__(self, roster: Roster, name: str) -> None:
        self._roster = roster
        self._name = name
        self._sequence = 0

    def tell(self, online: Iterable[User] = (), offline: Iterable[User] = ()) -> list[User] | None:
        self._sequence += 1
        return self._roster.apply(Report(self._name, self._sequence, False, list(online), list(offline)))

    def tell_all(self, online: Iterable[User], offline: Iterable[User] = ()) -> list[User] | None:
        self._sequence = 1
        return self._roster.apply(Report(self._name, 1, True, list(online), list(offline)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def roster_of(clock: Clock, last_seen_users: int = 100) -> Roster:
    return Roster(
        lease_seconds=LEASE,
        grace_seconds=GRACE,
        last_seen_users=last_seen_users,
        monotonic=clock.monotonic,
        now_ms=clock.wall_ms,
    )


@pytest.fixture
def roster(clock: Clock) -> Roster:
    return roster_of(clock)


def test_somebody_never_heard_of_is_offline_and_last_seen_unknown(roster: Roster) -> None:
    assert roster.standing(ALICE) == UNKNOWN


def test_a_user_comes_online_once_however_many_gateways_hold_them(roster: Roster) -> None:
    one, two = Gateway(roster, "one"), Gateway(roster, "two")
    assert one.tell_all([ALICE]) == [ALICE]
    assert two.tell_all([ALICE, BOB]) == [BOB]
    assert roster.standing(ALICE) == ONLINE
    assert roster.online_count == 2


def test_a_user_of_another_application_is_another_user(roster: Roster) -> None:
    Gateway(roster, "one").tell_all([ALICE])
    assert roster.standing(User("other", "alice")) == UNKNOWN


def test_a_user_stays_online_while_any_gateway_holds_them(clock: Clock, roster: Roster) -> None:
    one, two = Gateway(roster, "one"), Gateway(roster, "two")
    one.tell_all([ALICE])
    two.tell_all([ALICE])
    one.tell(offline=[ALICE])
    clock.now += GRACE
    assert roster.sweep() == []
    assert roster.standing(ALICE) == ONLINE


def test_a_user_goes_offline_a_grace_after_the_last_session_with_the_time_of_leaving(
    clock: Clock, roster: Roster
) -> None:
    gateway = Gateway(roster, "one")
    gateway.tell_all([ALICE])
    clock.now = 3.0
    gateway.tell(offline=[ALICE])
    clock.now = 3.0 + GRACE - 0.1
    assert roster.sweep() == []
    assert roster.standing(ALICE) == ONLINE
    clock.now = 3.0 + GRACE
    assert roster.sweep() == [ALICE]
    assert roster.standing(ALICE) == Standing(online=False, last_seen_ms=1_000_003_000)


def test_a_reconnect_within_the_grace_is_no_change_even_to_another_gateway(clock: Clock, roster: Roster) -> None:
    one, two = Gateway(roster, "one"), Gateway(roster, "two")
    one.tell_all([ALICE])
    two.tell_all([])
    one.tell(offline=[ALICE])
    clock.now += GRACE - 0.1
    assert two.tell(online=[ALICE]) == []
    clock.now += 1.0
    one.tell()
    assert roster.sweep() == []
    assert roster.standing(ALICE) == ONLINE


def test_what_a_gateway_told_ends_with_its_lease(clock: Clock, roster: Roster) -> None:
    Gateway(roster, "one").tell_all([ALICE])
    clock.now = LEASE - 0.1
    roster.sweep()
    assert roster.gateway_count == 1
    clock.now = LEASE
    assert roster.sweep() == [], "the lease's end is as a closed session: the grace begins"
    assert roster.gateway_count == 0
    clock.now = LEASE + GRACE
    assert roster.sweep() == [ALICE]
    assert roster.standing(ALICE).last_seen_ms == 1_000_000_000, "last seen when the gateway was last heard of"


def test_every_report_renews_the_lease(clock: Clock, roster: Roster) -> None:
    gateway = Gateway(roster, "one")
    gateway.tell_all([ALICE])
    for _ in range(10):
        clock.now += LEASE / 3
        assert gateway.tell() == []
        assert roster.sweep() == []
    assert roster.standing(ALICE) == ONLINE


def test_a_full_report_is_needed_of_a_gateway_that_is_not_known(roster: Roster) -> None:
    assert Gateway(roster, "one").tell(online=[ALICE]) is None
    assert roster.standing(ALICE) == UNKNOWN


@pytest.mark.parametrize("sequence", [1, 3, 0])
def test_a_report_out_of_order_changes_nothing_and_asks_for_a_full_one(roster: Roster, sequence: int) -> None:
    Gateway(roster, "one").tell_all([ALICE])
    assert roster.apply(Report("one", sequence, False, [BOB], [ALICE])) is None
    assert roster.standing(ALICE) == ONLINE
    assert roster.standing(BOB) == UNKNOWN


def test_a_refused_report_does_not_renew_the_lease(clock: Clock, roster: Roster) -> None:
    Gateway(roster, "one").tell_all([ALICE])
    clock.now = LEASE - 0.1
    assert roster.apply(Report("one", 7, False, [], [])) is None
    clock.now = LEASE
    roster.sweep()
    assert roster.gateway_count == 0


def test_a_full_report_forgets_what_the_gateway_told_before(clock: Clock, roster: Roster) -> None:
    gateway = Gateway(roster, "one")
    gateway.tell_all([ALICE])
    assert gateway.tell_all([BOB]) == [BOB]
    clock.now = GRACE
    assert roster.sweep() == [ALICE]


def test_after_a_restart_nobody_is_announced_offline_and_full_reports_bring_all_back(clock: Clock) -> None:
    gateway = Gateway(roster_of(clock), "one")
    gateway.tell_all([ALICE, BOB])
    restarted = roster_of(clock)
    gateway._roster = restarted
    assert gateway.tell() is None
    assert restarted.sweep() == []
    assert gateway.tell_all([ALICE, BOB]) == [ALICE, BOB]
    clock.now += GRACE
    assert restarted.sweep() == []


def test_who_left_while_presence_was_down_is_announced_when_the_full_report_names_them(
    clock: Clock, roster: Roster
) -> None:
    Gateway(roster, "one").tell_all([ALICE], offline=[BOB])
    clock.now += GRACE
    assert roster.sweep() == [BOB]


def test_hearing_twice_that_somebody_left_announces_it_once(clock: Clock, roster: Roster) -> None:
    gateway = Gateway(roster, "one")
    gateway.tell_all([ALICE])
    gateway.tell(offline=[ALICE])
    clock.now += GRACE
    assert roster.sweep() == [ALICE]
    gateway.tell_all([], offline=[ALICE])
    clock.now += GRACE
    assert roster.sweep() == []


def test_last_seen_is_remembered_of_those_who_left_last(clock: Clock) -> None:
    roster = roster_of(clock, last_seen_users=2)
    users = [User("app", name) for name in ("a", "b", "c")]
    gateway = Gateway(roster, "one")
    gateway.tell_all(users)
    for user in users:
        clock.now += 1.0
        gateway.tell(offline=[user])
    clock.now += GRACE
    assert roster.sweep() == users
    assert [roster.standing(user).last_seen_ms for user in users] == [0, 1_000_002_000, 1_000_003_000]


def test_nothing_of_a_user_is_kept_beyond_last_seen(clock: Clock) -> None:
    roster = roster_of(clock, last_seen_users=0)
    for number in range(1_000):
        gateway = Gateway(roster, f"gateway-{number}")
        gateway.tell_all([User("app", f"user-{number}")])
        clock.now += LEASE
        roster.sweep()
        clock.now += GRACE
        roster.sweep()
    assert (roster.online_count, roster.gateway_count) == (0, 0)
    assert not roster._last_seen
