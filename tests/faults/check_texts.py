"""After a deletion is acknowledged the text is shown to nobody (I6), and is in no table."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.history import Violation
from tests.faults.operations import Entry, Kind, Operation, Shown


def check(operations: Sequence[Operation], shown: Sequence[Shown], contents: bytes) -> Iterator[Violation]:
    """All of it, for one channel. Texts of a run are different from each other."""
    deleted: dict[int, float] = {}
    """The seq of a message → when its deletion was acknowledged first."""
    texts: defaultdict[int, set[str]] = defaultdict(set)
    for each in operations:
        if each.kind is Kind.DELETE and each.ok:
            deleted[each.target] = min(each.ended, deleted.get(each.target, each.ended))
        elif each.kind is Kind.SEND and each.ok:
            texts[each.seq].add(each.text)
        elif each.kind is Kind.EDIT:
            texts[each.target].add(each.text)
    for read in operations:
        yield from _shows(f"{read.kind} of {read.user}", read.channel, read.begun, read.entries, deleted)
    for piece in shown:
        yield from _shows(f"the session of {piece.reader}", piece.channel, piece.since, piece.entries, deleted)
    for target in deleted:
        for text in texts[target]:
            if text.encode() in contents:
                yield Violation("I6", f"{text!r} was deleted and is in the database")


def _shows(
    what: str, channel: str, begun: float, entries: Sequence[Entry], deleted: dict[int, float]
) -> Iterator[Violation]:
    for entry in entries:
        ended = deleted.get(entry.target or entry.seq)
        if ended is not None and ended < begun and (entry.text or entry.edited):
            yield Violation("I6", f"{channel}: {what}, begun at {begun:.3f}, shows {entry}, deleted at {ended:.3f}")
