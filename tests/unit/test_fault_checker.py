"""The checker of the fault tests finds each kind of broken promise, and nothing in a clean run."""

from dataclasses import replace

import pytest

from tests.faults.checker import Entry, Outcome, Recording, SendRecord, check


def clean_run() -> tuple[Recording, list[Entry]]:
    history = [
        Entry(1, "membership_change", "", "policy:1", ""),
        Entry(2, "message", "alice", "a1", "hello"),
        Entry(3, "message", "bob", "b1", "hi"),
        Entry(4, "message", "alice", "a2", "well?"),
    ]
    sends = [
        SendRecord("a1", "alice", "hello", begun=1, ended=2, outcome=Outcome.ACKNOWLEDGED, seq=2),
        SendRecord("b1", "bob", "hi", begun=3, ended=6, outcome=Outcome.ACKNOWLEDGED, seq=3),
        SendRecord("a2", "alice", "well?", begun=4, ended=7, outcome=Outcome.UNKNOWN),
        SendRecord("b2", "bob", "lost", begun=8, ended=9, outcome=Outcome.UNKNOWN),
        SendRecord("b3", "bob", "bad", begun=10, ended=11, outcome=Outcome.REFUSED),
    ]
    return Recording(sends, {"alice": list(history), "bob": list(history[1:])}), history


def broken_invariants(recording: Recording, history: list[Entry]) -> set[str]:
    return {violation.invariant for violation in check(recording, history).violations}


def test_a_clean_run_has_no_violation_and_is_counted() -> None:
    recording, history = clean_run()
    verdict = check(recording, history)
    assert verdict.violations == []
    assert (verdict.acknowledged, verdict.unknown, verdict.refused) == (2, 2, 1)
    assert (verdict.readers, verdict.events) == (2, 4)


def test_an_acknowledged_message_that_history_lacks_breaks_i1() -> None:
    recording, history = clean_run()
    recording.shown = {}
    assert "I1" in broken_invariants(recording, history[:2])


def test_an_acknowledged_message_whose_text_changed_breaks_i1() -> None:
    recording, history = clean_run()
    recording.shown = {}
    history[1] = history[1]._replace(text="goodbye")
    assert broken_invariants(recording, history) == {"I1"}


def test_a_message_that_nobody_sent_breaks_i1() -> None:
    recording, history = clean_run()
    recording.sends = [send for send in recording.sends if send.client_id != "a2"]
    assert broken_invariants(recording, history) == {"I1"}


def test_a_reader_who_saw_another_event_at_a_seq_breaks_i2() -> None:
    recording, history = clean_run()
    recording.shown["bob"][0] = history[1]._replace(client_id="other")
    assert broken_invariants(recording, history) == {"I2"}


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_reader_who_missed_an_event_breaks_i3(missing: int) -> None:
    recording, history = clean_run()
    del recording.shown["alice"][missing]
    assert broken_invariants(recording, history) == {"I3"}


def test_a_reader_who_saw_an_event_twice_breaks_i3() -> None:
    recording, history = clean_run()
    recording.shown["alice"].append(history[-1])
    assert broken_invariants(recording, history) == {"I3"}


def test_a_gap_in_history_breaks_i3() -> None:
    recording, history = clean_run()
    recording.shown = {}
    recording.sends = [send for send in recording.sends if send.client_id != "b1"]
    del history[2]
    assert broken_invariants(recording, history) == {"I3"}


def test_a_client_id_at_two_seqs_breaks_i4() -> None:
    recording, history = clean_run()
    recording.shown = {}
    history.append(history[1]._replace(seq=5))
    assert broken_invariants(recording, history) == {"I4"}


def test_a_later_send_with_a_lower_seq_breaks_i5() -> None:
    recording, history = clean_run()
    recording.shown = {}
    swapped = [replace(send) for send in recording.sends]
    swapped[0].begun, swapped[0].ended, swapped[1].begun, swapped[1].ended = 7, 8, 1, 2
    recording.sends = swapped
    assert broken_invariants(recording, history) == {"I5"}
