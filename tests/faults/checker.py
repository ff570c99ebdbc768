"""Goes over what clients did and saw and says which promises of DESIGN §3 were broken.

It knows nothing of how the system works: it is given what was asked for, what was answered, what each session was shown, and
the histories that are read at the end, when everything has healed.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.faults import check_log, check_members, check_positions, check_readers, check_texts
from tests.faults.history import History, Violation
from tests.faults.operations import WRITES, Entry, Kind, Operation, Outcome, Recording


class Tally(NamedTuple):
    """How much happened."""

    acknowledged: int
    """Writes."""
    unknown: int
    """Tries of writes."""
    failed: int
    """Tries of anything."""
    retried: int
    """Operations of which a try was unknown, and which were tried again under the same client id."""
    deletions: int
    """Acknowledged."""
    reads: int
    """Answered."""


class Verdict(NamedTuple):
    """What the checker counted and what it found."""

    tally: Tally
    readers: int
    """Sessions' users, per channel, that were shown events live."""
    events: int
    """In the final histories."""
    violations: Sequence[Violation]


def check(recording: Recording, histories: Mapping[str, Sequence[Entry]], contents: bytes = b"") -> Verdict:
    """Hold a recording against the final histories by channel, and against all bytes that the database holds, if they are given."""
    violations: list[Violation] = []
    for channel, entries in histories.items():
        history = History(channel, entries)
        operations = [operation for operation in recording.operations if operation.channel == channel]
        shown = [piece for piece in recording.shown if piece.channel == channel]
        violations += check_log.check(operations, history)
        violations += check_readers.check(shown, operations, history)
        violations += check_texts.check(operations, shown, contents)
        violations += check_members.check(operations, history)
        violations += check_positions.check(
            operations, [told for told in recording.told if told.channel == channel], history
        )
    violations += _answers(recording.operations)
    return Verdict(
        tally=tally(recording.operations),
        readers=len({(piece.reader, piece.channel) for piece in recording.shown}),
        events=sum(map(len, histories.values())),
        violations=violations,
    )


def tally(operations: Sequence[Operation]) -> Tally:
    """Count tries and outcomes."""
    writes = [operation for operation in operations if operation.kind in WRITES]
    outcomes = Counter(operation.outcome for operation in writes)
    return Tally(
        acknowledged=outcomes[Outcome.OK],
        unknown=outcomes[Outcome.UNKNOWN],
        failed=sum(operation.outcome is Outcome.FAILED for operation in operations),
        retried=_retried(writes),
        deletions=sum(operation.ok for operation in writes if operation.kind is Kind.DELETE),
        reads=sum(operation.ok for operation in operations if operation.kind not in WRITES),
    )


def _retried(writes: Sequence[Operation]) -> int:
    tries: defaultdict[tuple[str, str], list[Operation]] = defaultdict(list)
    for write in writes:
        tries[write.user, write.client_id].append(write)
    return sum(any(each.outcome is Outcome.UNKNOWN for each in of_one[:-1]) for of_one in tries.values())


_LONGEST_SECONDS = 90.0
"""No try of the suite's is allowed more than 60 s; what takes much longer has no deadline."""


def _answers(operations: Sequence[Operation]) -> list[Violation]:
    """I9 and I10, as far as a client sees them."""
    violations = [
        Violation("I10", f"{each.kind} of {each.user} was refused with {each.reason}: {each}")
        for each in operations
        if each.reason == "INTERNAL" or each.reason.startswith("REASON_")
    ]
    violations += [
        Violation(
            "I9", f"{each.kind} of {each.user} at {each.begun:.3f} had no answer after {each.ended - each.begun:.0f} s"
        )
        for each in operations
        if each.ended - each.begun > _LONGEST_SECONDS
    ]
    return violations
