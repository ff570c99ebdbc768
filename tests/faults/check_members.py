"""Nothing of a removed member is appended after their removal, and what they may still read ends in time (I7)."""

from collections.abc import Iterator, Sequence

from tests.faults.history import History, Violation
from tests.faults.operations import Kind, Operation

READS_END_SECONDS = 5.0
"""The gateway believes for so long who is a member where it only reads (its setting `access_cache_seconds`)."""

_TELLING = frozenset({"NOT_ALLOWED", "NOT_JOINED", "BLOCKED"})
"""What nobody who is outside of a group may hear instead of CHANNEL_NOT_FOUND."""


def check(operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    """All of it, for one channel."""
    for entry in history.entries:
        absence = history.absent(entry.author, entry.seq)
        if absence is not None and entry.kind != "membership_change":
            yield Violation(
                "I7",
                f"{history.channel}: {entry.author}, removed at {absence.removed}, wrote {entry.kind} at {entry.seq}",
            )
    yield from _changes_are_there(operations, history)
    yield from _reads_end(operations, history)


def _changes_are_there(operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    """Of each subject, the last change that was acknowledged, with none under way after it, is how it is."""
    changes = [each for each in operations if each.kind in {Kind.ADD, Kind.REMOVE}]
    for subject in {each.subject for each in changes}:
        of_one = [each for each in changes if each.subject == subject]
        last = max(of_one, key=lambda each: each.begun)
        if last.ok and history.is_member_now(subject) is not (last.kind is Kind.ADD):
            yield Violation(
                "I1", f"{history.channel}: {last.kind} of {subject} was acknowledged; the log ends otherwise"
            )


def _reads_end(operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    removals = [each for each in operations if each.kind is Kind.REMOVE and each.ok]
    additions = [each for each in operations if each.kind is Kind.ADD]
    removed = {each.subject for each in removals}
    for read in operations:
        if read.kind is not Kind.READ or not read.ok or read.user not in removed:
            continue
        before = [
            each for each in removals if each.subject == read.user and each.ended < read.begun - READS_END_SECONDS
        ]
        if not before:
            continue
        last = max(before, key=lambda each: each.ended)
        back = any(
            each.subject == read.user and each.ended > last.begun and each.begun < read.ended for each in additions
        )
        if not back:
            yield Violation(
                "I7",
                f"{history.channel}: {read.user}, removed by {last.ended:.3f}, still read at {read.begun:.3f}",
            )
    for read in operations:
        if read.kind is Kind.READ and read.reason in _TELLING:
            yield Violation("I7", f"{history.channel}: {read.user} was told {read.reason}: that the channel exists")
