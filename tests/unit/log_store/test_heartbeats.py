"""When a process is taken for dead."""

import os
import subprocess

import pytest

from libs.cassandra import Values
from libs.log_store.cassandra.heartbeats import SUSPICION_SECONDS, Member, State, Watch, place_of
from libs.log_store.cassandra.vocabulary import Incarnation

OTHER = Incarnation("other")
BUS = "bus"
LOOK_SECONDS = 0.5


class Heartbeats:
    """What the table holds, and a clock."""

    def __init__(self) -> None:
        self.rows: list[Values] = []
        self.now = 1_000.0

    def says(self, beat: int, state: State = State.OWNER, place: str = "") -> None:
        self.rows = [(OTHER, beat, state.value, place, "there", BUS)]


@pytest.fixture
def heartbeats() -> Heartbeats:
    return Heartbeats()


@pytest.fixture
def watch(heartbeats: Heartbeats) -> Watch:
    return Watch(Member(Incarnation("ours"), "here", BUS), lambda: heartbeats.now)


def look_for(heartbeats: Heartbeats, watch: Watch, seconds: float) -> bool:
    """Look again and again; whether the other one is taken for dead at the end."""
    end = heartbeats.now + seconds
    while heartbeats.now < end:
        heartbeats.now += LOOK_SECONDS
        watch.saw(heartbeats.rows)
        watch.is_gone(OTHER)
    return watch.is_gone(OTHER)


def test_who_is_silent_for_three_seconds_is_gone(heartbeats: Heartbeats, watch: Watch) -> None:
    heartbeats.says(7)
    assert not look_for(heartbeats, watch, SUSPICION_SECONDS)
    assert look_for(heartbeats, watch, LOOK_SECONDS)


def test_who_beats_is_not_gone(heartbeats: Heartbeats, watch: Watch) -> None:
    for beat in range(10):
        heartbeats.says(beat)
        assert not look_for(heartbeats, watch, SUSPICION_SECONDS - LOOK_SECONDS)


def test_who_never_beat_is_gone_after_three_seconds(heartbeats: Heartbeats, watch: Watch) -> None:
    assert not look_for(heartbeats, watch, SUSPICION_SECONDS - LOOK_SECONDS)
    assert look_for(heartbeats, watch, 2 * LOOK_SECONDS)


def test_who_was_away_himself_begins_anew(heartbeats: Heartbeats, watch: Watch) -> None:
    heartbeats.says(7)
    look_for(heartbeats, watch, SUSPICION_SECONDS - LOOK_SECONDS)
    heartbeats.now += 60
    watch.saw(heartbeats.rows)
    assert not watch.is_gone(OTHER), "the silence was ours"
    assert look_for(heartbeats, watch, SUSPICION_SECONDS + LOOK_SECONDS)


def test_who_says_that_it_stopped_is_gone_at_once(heartbeats: Heartbeats, watch: Watch) -> None:
    heartbeats.says(7, State.STOPPED)
    watch.saw(heartbeats.rows)
    assert watch.is_gone(OTHER)


def test_a_process_of_this_machine_is_gone_when_its_id_is(heartbeats: Heartbeats, watch: Watch) -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        heartbeats.says(7, place=place_of(sleeper.pid))
        watch.saw(heartbeats.rows)
        assert not watch.is_gone(OTHER)
        sleeper.kill()
        os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
        assert watch.is_gone(OTHER), "a zombie does nothing more"
    assert watch.is_gone(OTHER)


def test_an_id_that_is_used_again_is_another_process(heartbeats: Heartbeats, watch: Watch) -> None:
    ours = place_of(os.getpid())
    heartbeats.says(7, place=ours.rpartition(" ")[0] + " 1")
    watch.saw(heartbeats.rows)
    assert watch.is_gone(OTHER)


def test_a_process_of_another_machine_is_not_judged_by_ids_here(heartbeats: Heartbeats, watch: Watch) -> None:
    heartbeats.says(7, place="another-boot pid:[1] 999999 1")
    watch.saw(heartbeats.rows)
    assert not watch.is_gone(OTHER)


def test_only_who_was_seen_to_beat_is_a_member(heartbeats: Heartbeats, watch: Watch) -> None:
    heartbeats.says(7)
    watch.saw(heartbeats.rows)
    assert (watch.members(), watch.knows_all()) == (set(), False)
    heartbeats.says(8)
    watch.saw(heartbeats.rows)
    assert (watch.members(), watch.knows_all()) == ({OTHER}, True)
    assert watch.address(OTHER) == "there"


def test_who_is_leaving_is_asked_but_gets_nothing(heartbeats: Heartbeats, watch: Watch) -> None:
    for beat in (7, 8):
        heartbeats.says(beat, State.LEAVING)
        watch.saw(heartbeats.rows)
    assert watch.members() == set()
    assert watch.shares_with_us(OTHER)


def test_who_rings_elsewhere_shares_nothing(heartbeats: Heartbeats, watch: Watch) -> None:
    for beat in (7, 8):
        heartbeats.rows = [(OTHER, beat, State.OWNER.value, "", "there", "another bus")]
        watch.saw(heartbeats.rows)
    assert watch.members() == set()
    assert not watch.shares_with_us(OTHER)
    assert watch.rings_elsewhere(OTHER)


def test_rows_of_those_who_died_long_ago_are_not_waited_for(heartbeats: Heartbeats, watch: Watch) -> None:
    heartbeats.says(7)
    assert not look_for(heartbeats, watch, 2 * LOOK_SECONDS)
    assert not watch.knows_all()
    look_for(heartbeats, watch, 2 * LOOK_SECONDS)
    assert watch.knows_all()
