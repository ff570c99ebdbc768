"""The checker of the fault suite finds each kind of broken promise, and nothing in a clean run."""

from dataclasses import replace

import pytest

from tests.faults.checker import check
from tests.faults.operations import Entry, Kind, Operation, Outcome, Recording, Shown, Told

PLAZA = "plaza"


def write(kind: Kind, user: str, client_id: str, seq: int, *, text: str = "", target: int = 0) -> Operation:
    """One that was acknowledged, tried just before its seq and answered just after it, where seqs are moments."""
    return Operation(
        kind,
        user,
        PLAZA,
        begun=seq - 0.4,
        client_id=client_id,
        text=text,
        target=target,
        ended=seq + 0.4,
        outcome=Outcome.OK,
        seq=seq,
    )


def clean_history() -> list[Entry]:
    return [
        Entry(1, "membership_change", "", added=("alice", "bob", "carol")),
        Entry(2, "message", "alice", "a1", text="hello", edited="hello all"),
        Entry(3, "message", "bob", "b1", deleted=True),
        Entry(4, "message_edited", "alice", "a2", 2, text="hello all"),
        Entry(5, "message_deleted", "bob", "b2", 3),
        Entry(6, "membership_change", "alice", removed=("carol",)),
        Entry(7, "message", "alice", "a3", text="is she gone?"),
        Entry(8, "membership_change", "alice", added=("carol",)),
        Entry(9, "message", "carol", "c1", text="back"),
    ]


def live(entry: Entry) -> Entry:
    """As it is shown when it happens: without what became of it later."""
    said = {3: "hi"}.get(entry.seq, entry.text)
    return entry._replace(text=said, edited="", deleted=False)


def shown_to(reader: str, *seqs: int) -> list[Shown]:
    history = clean_history()
    return [
        Shown(reader, PLAZA, since=0.0, at=seq + 0.1, from_seq=seq, to_seq=seq, entries=[live(history[seq - 1])])
        for seq in seqs
    ]


def clean_run() -> Recording:
    operations = [
        write(Kind.SEND, "alice", "a1", 2, text="hello"),
        write(Kind.SEND, "bob", "b1", 3, text="hi"),
        write(Kind.EDIT, "alice", "a2", 4, text="hello all", target=2),
        write(Kind.DELETE, "bob", "b2", 5, target=3),
        replace(write(Kind.REMOVE, "alice", "a-1", 6), subject="carol", seq=0),
        replace(write(Kind.SEND, "alice", "a3", 7, text="is she gone?"), outcome=Outcome.UNKNOWN, seq=0),
        replace(write(Kind.SEND, "alice", "a3", 7, text="is she gone?"), attempt=2),
        replace(write(Kind.ADD, "alice", "a-2", 8), subject="carol", seq=0),
        write(Kind.SEND, "carol", "c1", 9, text="back"),
        Operation(Kind.SEND, "bob", PLAZA, 9.0, "b3", text="lost", ended=9.5),
        Operation(Kind.SEND, "bob", PLAZA, 9.0, "b4", text="bad", ended=9.5, outcome=Outcome.FAILED, reason="BLOCKED"),
        replace(write(Kind.MARK, "bob", "b5", 7, target=5), seq=5),
        Operation(Kind.UNREAD, "bob", PLAZA, 9.5, ended=9.6, outcome=Outcome.OK, seq=5, head=9, count=2),
        Operation(Kind.LIST, "bob", PLAZA, 9.5, ended=9.6, outcome=Outcome.OK, positions={"bob": 5, "alice": 2}),
        read(9.5, clean_history()),
    ]
    shown = [*shown_to("alice", *range(1, 10)), *shown_to("bob", *range(2, 10)), *shown_to("carol", *range(2, 7), 8, 9)]
    told = [Told("alice", PLAZA, 0.0, at, "bob", seq) for at, seq in ((4.0, 3), (8.0, 5))]
    return Recording(operations, shown, told)


def read(begun: float, entries: list[Entry], user: str = "bob") -> Operation:
    return Operation(
        Kind.READ,
        user,
        PLAZA,
        begun,
        ended=begun + 0.1,
        outcome=Outcome.OK,
        entries=entries,
        from_seq=entries[0].seq,
        to_seq=entries[-1].seq,
        head=9,
    )


def broken(recording: Recording, history: list[Entry] | None = None, contents: bytes = b"") -> set[str]:
    violations = check(recording, {PLAZA: history or clean_history()}, contents).violations
    return {violation.invariant for violation in violations}


def found(recording: Recording, client_id: str) -> Operation:
    """The last try of an operation."""
    return [each for each in recording.operations if each.client_id == client_id][-1]


def test_a_clean_run_has_no_violation_and_is_counted() -> None:
    verdict = check(clean_run(), {PLAZA: clean_history()})
    assert verdict.violations == []
    assert verdict.tally == (9, 2, 1, 1, 1, 3)
    assert (verdict.readers, verdict.events) == (3, 9)


def test_an_acknowledged_message_that_history_lacks_breaks_i1() -> None:
    run = clean_run()
    run.shown, run.operations = [], [each for each in run.operations if each.kind is not Kind.READ]
    assert "I1" in broken(run, clean_history()[:8])


@pytest.mark.parametrize("seq", [2, 4, 7])
def test_an_acknowledged_text_that_changed_breaks_i1(seq: int) -> None:
    history = clean_history()
    history[seq - 1] = history[seq - 1]._replace(text="something else")
    assert "I1" in broken(clean_run(), history)


def test_a_message_that_nobody_sent_breaks_i1() -> None:
    run = clean_run()
    run.operations = [each for each in run.operations if each.client_id != "a3"]
    assert broken(run) == {"I1"}


def test_a_refused_message_that_is_there_breaks_i1() -> None:
    run = clean_run()
    for each in run.operations:
        if each.client_id == "a3":
            each.outcome = Outcome.FAILED
    assert broken(run) == {"I1"}


def test_a_head_below_what_was_acknowledged_before_breaks_i1() -> None:
    run = clean_run()
    run.operations.append(Operation(Kind.READ, "bob", PLAZA, 9.5, ended=9.6, outcome=Outcome.OK, head=8))
    assert broken(run) == {"I1"}


def test_a_change_of_members_that_is_not_there_breaks_i1() -> None:
    run = clean_run()
    run.operations.append(replace(write(Kind.REMOVE, "alice", "a-3", 10), subject="carol", seq=0))
    assert broken(run) == {"I1"}


def test_a_reader_who_saw_another_event_at_a_seq_breaks_i2() -> None:
    run = clean_run()
    run.shown[0].entries[0] = run.shown[0].entries[0]._replace(author="mallory")
    assert broken(run) == {"I2"}


def test_a_reader_who_saw_another_text_breaks_i2() -> None:
    run = clean_run()
    run.shown[1].entries[0] = run.shown[1].entries[0]._replace(text="hullo")
    assert broken(run) == {"I2"}


def test_a_page_with_another_event_at_a_seq_breaks_i2() -> None:
    run = clean_run()
    run.operations.append(read(9.5, [clean_history()[8]._replace(author="mallory")]))
    assert broken(run) == {"I2"}


def test_an_edit_that_the_log_has_and_the_message_does_not_show_breaks_i2() -> None:
    history = clean_history()
    history[1] = history[1]._replace(edited="")
    assert "I2" in broken(clean_run(), history)


def test_a_message_shown_as_deleted_without_a_deletion_breaks_i2() -> None:
    history = clean_history()
    history[8] = history[8]._replace(deleted=True)
    assert broken(clean_run(), history) == {"I2"}


@pytest.mark.parametrize("missing", [1, 4, 8])
def test_a_reader_who_missed_an_event_breaks_i3(missing: int) -> None:
    run = clean_run()
    del run.shown[missing]
    assert broken(run) == {"I3"}


def test_a_reader_who_was_told_of_the_gap_breaks_nothing() -> None:
    run = clean_run()
    run.shown[4] = replace(run.shown[4], entries=[], gap=True)
    assert broken(run) == set()


def test_a_gap_in_history_breaks_i3() -> None:
    run = clean_run()
    run.shown = []
    run.operations = [each for each in run.operations if each.client_id != "b1" and each.kind is Kind.SEND]
    history = [entry for entry in clean_history() if entry.seq != 3]
    assert "I3" in broken(run, history)


def test_a_client_id_at_two_seqs_breaks_i4() -> None:
    history = [*clean_history(), clean_history()[6]._replace(seq=10)]
    run = clean_run()
    run.shown = []
    assert broken(run, history) == {"I4"}


def test_a_retry_that_is_answered_another_seq_breaks_i4() -> None:
    run = clean_run()
    run.operations.append(replace(found(run, "a3"), attempt=3, seq=9))
    assert "I4" in broken(run)


def test_a_later_send_with_a_lower_seq_breaks_i5() -> None:
    run = clean_run()
    later = found(run, "a1")
    later.begun, later.ended = 4.6, 4.9
    assert "I5" in broken(run)


def test_a_deleted_text_in_history_breaks_i6() -> None:
    run = clean_run()
    run.operations.append(read(9.5, [clean_history()[2]._replace(text="hi")]))
    assert broken(run) == {"I6"}


def test_a_deleted_text_in_a_session_that_began_later_breaks_i6() -> None:
    run = clean_run()
    late = replace(run.shown[2], reader="dora", since=6.0, at=6.1)
    run.shown += [late, *(replace(each, reader="dora", since=6.0) for each in run.shown[3:9])]
    assert broken(run) == {"I6"}


def test_a_deleted_text_in_the_database_breaks_i6() -> None:
    assert broken(clean_run(), contents=b"...hi...") == {"I6"}


def test_an_edit_after_the_deletion_breaks_i6() -> None:
    history = [*clean_history(), Entry(10, "message_edited", "bob", "b6", 3)]
    run = clean_run()
    run.shown = []
    run.operations.append(write(Kind.EDIT, "bob", "b6", 10, text="hi all", target=3))
    assert broken(run, history) == {"I6"}


def test_a_message_of_a_removed_member_breaks_i7() -> None:
    history = clean_history()
    history[6] = history[6]._replace(author="carol")
    run = clean_run()
    run.shown = []
    assert "I7" in broken(run, history)


def test_a_removed_member_who_is_shown_what_follows_breaks_i7() -> None:
    run = clean_run()
    run.shown[-2:] = shown_to("carol", 7, 8, 9)
    assert broken(run) == {"I7"}


def test_a_removed_member_who_still_reads_after_the_bound_breaks_i7() -> None:
    run = clean_run()
    (addition,) = run.of(Kind.ADD)
    addition.begun, addition.ended = 20.0, 20.1
    run.shown = []
    run.operations.append(read(12.0, [clean_history()[6]], user="carol"))
    assert broken(run) == {"I7"}


def test_a_position_that_went_back_breaks_i8() -> None:
    run = clean_run()
    run.operations.append(Operation(Kind.LIST, "bob", PLAZA, 9.8, ended=9.9, outcome=Outcome.OK, positions={"bob": 4}))
    assert broken(run) == {"I8"}


def test_a_wrong_unread_count_breaks_i8() -> None:
    run = clean_run()
    run.operations.append(
        Operation(Kind.UNREAD, "bob", PLAZA, 9.8, ended=9.9, outcome=Outcome.OK, seq=5, head=9, count=3)
    )
    assert broken(run) == {"I8"}


def test_being_told_an_older_position_breaks_i8() -> None:
    run = clean_run()
    run.told.append(Told("alice", PLAZA, 0.0, 9.0, "bob", 4))
    assert broken(run) == {"I8"}


def test_an_answer_after_a_minute_and_a_half_breaks_i9() -> None:
    run = clean_run()
    run.operations.append(Operation(Kind.SEND, "bob", PLAZA, 9.0, "b9", ended=109.0))
    assert broken(run) == {"I9"}


def test_an_internal_error_breaks_i10() -> None:
    run = clean_run()
    run.operations.append(
        Operation(Kind.SEND, "bob", PLAZA, 9.0, "b9", ended=9.1, outcome=Outcome.FAILED, reason="INTERNAL")
    )
    assert broken(run) == {"I10"}
