"""Read positions never go back, and unread counts are what the log says (I8)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.history import History, Violation
from tests.faults.operations import Kind, Operation, Told


def check(operations: Sequence[Operation], told: Sequence[Told], history: History) -> Iterator[Violation]:
    """All of it, for one channel."""
    yield from _answers_do_not_go_back(operations, history)
    yield from _counts_are_right(operations, history)
    yield from _nobody_is_told_an_older_one(told, history)


def _answers_do_not_go_back(operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    """Every answer is at least what was answered, to anybody, before it was asked for."""
    answers: defaultdict[str, list[tuple[float, float, int]]] = defaultdict(list)
    for each in operations:
        if not each.ok:
            continue
        if each.kind in {Kind.MARK, Kind.UNREAD}:
            answers[each.user].append((each.begun, each.ended, each.seq))
        for user, position in each.positions.items():
            answers[user].append((each.begun, each.ended, position))
        if each.kind is Kind.MARK and each.seq < each.target:
            yield Violation("I8", f"{history.channel}: {each.user} marked {each.target} and was answered {each.seq}")
    for user, of_one in answers.items():
        by_end = sorted(of_one, key=lambda answer: answer[1], reverse=True)
        highest = 0
        for begun, _, position in sorted(of_one):
            while by_end and by_end[-1][1] < begun:
                highest = max(highest, by_end.pop()[2])
            if position < highest:
                yield Violation(
                    "I8", f"{history.channel}: {user}'s position is {position} at {begun:.3f}, it was {highest}"
                )


def _counts_are_right(operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    messages = [entry.seq for entry in history.entries if entry.kind == "message"]
    for each in operations:
        if each.kind is not Kind.UNREAD or not each.ok:
            continue
        due = sum(each.seq < seq <= each.head for seq in messages)
        if each.count != due:
            yield Violation(
                "I8",
                f"{history.channel}: {each.user} has {each.count} unread from {each.seq} to {each.head}; it is {due}",
            )


def _nobody_is_told_an_older_one(told: Sequence[Told], history: History) -> Iterator[Violation]:
    """In one session."""
    newest: dict[tuple[str, float, str], int] = {}
    for each in told:
        session = each.reader, each.since, each.user
        if each.seq < newest.get(session, 0):
            yield Violation(
                "I8", f"{history.channel}: {each.reader} was told that {each.user} read {each.seq} after more"
            )
        newest[session] = max(each.seq, newest.get(session, 0))
