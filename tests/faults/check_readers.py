"""What sessions were shown live is the log (I2), without a gap in silence up to its head (I3), and not what happened while
their user was no member (I7)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.history import History, Violation
from tests.faults.operations import Entry, Kind, Operation, Shown


def check(shown: Sequence[Shown], operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    """All of it, for one channel."""
    by_reader: defaultdict[str, list[Shown]] = defaultdict(list)
    for piece in shown:
        by_reader[piece.reader].append(piece)
    for reader, pieces in by_reader.items():
        yield from _is_the_log(reader, pieces, history)
        yield from _has_no_gap(reader, pieces, history)
        yield from _ends_with_membership(reader, pieces, operations, history)


def _is_the_log(reader: str, pieces: Sequence[Shown], history: History) -> Iterator[Violation]:
    for piece in pieces:
        for entry in piece.entries:
            there = history.by_seq.get(entry.seq)
            if there is None or not _agrees(entry, there, history):
                yield Violation("I2", f"{history.channel}: {reader} was shown {entry}, history has {there}")


def _agrees(entry: Entry, there: Entry, history: History) -> bool:
    if entry.place != there.place:
        return False
    return entry.text == there.text or history.is_gone(there.seq)


def _has_no_gap(reader: str, pieces: Sequence[Shown], history: History) -> Iterator[Violation]:
    position = pieces[0].from_seq - 1
    for piece in pieces:
        if piece.from_seq > position + 1 and not _was_absent(reader, position, piece.from_seq, history):
            yield Violation(
                "I3", f"{history.channel}: {reader} was shown {piece.from_seq} where {position + 1} was due"
            )
        if not piece.gap and [entry.seq for entry in piece.entries] != list(range(piece.from_seq, piece.to_seq + 1)):
            yield Violation(
                "I3", f"{history.channel}: {reader} was not shown all of {piece.from_seq} to {piece.to_seq}"
            )
        position = max(position, piece.to_seq)
    if position < history.head and history.is_member_now(reader):
        yield Violation(
            "I3", f"{history.channel}: {reader} was shown nothing after {position}; the head is {history.head}"
        )


def _was_absent(reader: str, position: int, next_seq: int, history: History) -> bool:
    """Whether all that was not shown happened while the reader was away: after a removal, before or at the coming back."""
    absence = history.absent(reader, position + 1)
    return absence is not None and absence.back is not None and next_seq <= absence.back + 1


def _ends_with_membership(
    reader: str, pieces: Sequence[Shown], operations: Sequence[Operation], history: History
) -> Iterator[Violation]:
    """Who is back may read all; until somebody begins to bring them back they are shown nothing of what they missed."""
    absences = history.absences.get(reader, ())
    backs = [each for each in operations if each.kind is Kind.ADD and each.subject == reader and each.attempt == 1]
    for piece in pieces:
        for entry in piece.entries:
            absence = history.absent(reader, entry.seq)
            if absence is None:
                continue
            if sum(back.begun < piece.at for back in backs) <= absences.index(absence):
                yield Violation(
                    "I7", f"{history.channel}: {reader} was shown {entry.seq} after their removal at {absence.removed}"
                )
