"""A channel's log as it reads when everything has healed, and what follows from it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from tests.faults.operations import Entry


class Absence(NamedTuple):
    """Somebody was no member between two events."""

    removed: int
    """The seq of their removal."""
    back: int | None
    """Of their coming back."""

    def covers(self, seq: int) -> bool:
        return self.removed < seq and (self.back is None or seq < self.back)


class Violation(NamedTuple):
    """A broken promise."""

    invariant: str
    what: str


class History:
    """What one channel's log says."""

    def __init__(self, channel: str, entries: Sequence[Entry]) -> None:
        self.channel = channel
        self.entries = entries
        self.by_seq = {entry.seq: entry for entry in entries}
        self.head = max(self.by_seq, default=0)
        self.deletions: dict[int, int] = {}
        """The seq of a message → that of its first deletion."""
        self.edits: defaultdict[int, list[Entry]] = defaultdict(list)
        """The seq of a message → its edits."""
        self.absences: defaultdict[str, list[Absence]] = defaultdict(list)
        for entry in entries:
            if entry.kind == "message_deleted":
                self.deletions.setdefault(entry.target, entry.seq)
            elif entry.kind == "message_edited":
                self.edits[entry.target].append(entry)
            for user in entry.added:
                if (absences := self.absences[user]) and absences[-1].back is None:
                    absences[-1] = absences[-1]._replace(back=entry.seq)
            for user in entry.removed:
                self.absences[user].append(Absence(entry.seq, None))

    def absent(self, user: str, seq: int) -> Absence | None:
        """The absence of a user in which an event falls."""
        return next((absence for absence in self.absences.get(user, ()) if absence.covers(seq)), None)

    def is_member_now(self, user: str) -> bool:
        absences = self.absences.get(user)
        return not absences or absences[-1].back is not None

    def is_gone(self, seq: int) -> bool:
        """Whether a message or an edit has lost its text by a deletion."""
        entry = self.by_seq[seq]
        return (entry.target or seq) in self.deletions
