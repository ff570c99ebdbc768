"""Goes over what clients did and saw in one channel and says which promises of DESIGN §3 were broken.

It knows nothing of how the system works: it is given what was asked for, what was answered, what each client was shown, and
the history that is read at the end, when everything has healed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


class Outcome(Enum):
    """What a sender was told."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Entry(NamedTuple):
    """An event of the channel as a reader is shown it."""

    seq: int
    kind: str
    sender: str
    client_id: str
    text: str


@dataclass(slots=True)
class SendRecord:
    """One send. `begun` and `ended` are moments of one counter that all clients of the run share."""

    client_id: str
    sender: str
    text: str
    begun: int
    ended: int = 0
    outcome: Outcome = Outcome.UNKNOWN
    seq: int = 0


@dataclass(slots=True)
class Recording:
    """Everything that happened in one channel."""

    sends: list[SendRecord] = field(default_factory=list)
    shown: dict[str, list[Entry]] = field(default_factory=dict)
    """Per reader: what was shown live, in the order in which it was shown, from the reader's first event on."""


class Violation(NamedTuple):
    """A broken promise."""

    invariant: str
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker counted and what it found."""

    acknowledged: int
    unknown: int
    refused: int
    readers: int
    events: int
    violations: Sequence[Violation]


def check(recording: Recording, history: Sequence[Entry]) -> Verdict:
    """Hold a recording against the final history."""
    by_seq = {entry.seq: entry for entry in history}
    violations = [
        *_history_is_contiguous(history),
        *_acknowledged_is_in_history(recording.sends, by_seq),
        *_once(history),
        *_said_by_somebody(recording.sends, history),
        *_causal(recording.sends),
        *_readers_saw_history(recording.shown, by_seq),
    ]
    outcomes = [send.outcome for send in recording.sends]
    return Verdict(
        acknowledged=outcomes.count(Outcome.ACKNOWLEDGED),
        unknown=outcomes.count(Outcome.UNKNOWN),
        refused=outcomes.count(Outcome.REFUSED),
        readers=len(recording.shown),
        events=len(history),
        violations=violations,
    )


def _history_is_contiguous(history: Sequence[Entry]) -> Iterable[Violation]:
    for expected, entry in enumerate(history, start=1):
        if entry.seq != expected:
            yield Violation("I3", f"history has seq {entry.seq} where {expected} was due")
            return


def _acknowledged_is_in_history(sends: Sequence[SendRecord], by_seq: Mapping[int, Entry]) -> Iterable[Violation]:
    for send in sends:
        if send.outcome is not Outcome.ACKNOWLEDGED:
            continue
        entry = by_seq.get(send.seq)
        if entry is None:
            yield Violation("I1", f"{send.client_id} was acknowledged at {send.seq}, which history lacks")
        elif (entry.client_id, entry.sender, entry.text) != (send.client_id, send.sender, send.text):
            yield Violation("I1", f"{send.client_id} was acknowledged at {send.seq}, where history has {entry}")


def _once(history: Sequence[Entry]) -> Iterable[Violation]:
    first: dict[tuple[str, str], int] = {}
    for entry in history:
        if not entry.client_id:  # readers are not shown those of membership events
            continue
        earlier = first.setdefault((entry.sender, entry.client_id), entry.seq)
        if earlier != entry.seq:
            yield Violation("I4", f"{entry.client_id} of {entry.sender} stands at {earlier} and at {entry.seq}")


def _said_by_somebody(sends: Sequence[SendRecord], history: Sequence[Entry]) -> Iterable[Violation]:
    tried = {(send.sender, send.client_id) for send in sends if send.outcome is not Outcome.REFUSED}
    for entry in history:
        if entry.kind == "message" and (entry.sender, entry.client_id) not in tried:
            yield Violation("I1", f"history has {entry}, which nobody sent or which was refused")


def _causal(sends: Sequence[SendRecord]) -> Iterable[Violation]:
    """A send that began after another was acknowledged has the higher seq."""
    moments = sorted(
        [(send.begun, 1, send.seq) for send in sends if send.outcome is Outcome.ACKNOWLEDGED]
        + [(send.ended, 0, send.seq) for send in sends if send.outcome is Outcome.ACKNOWLEDGED]
    )
    highest_acknowledged = 0
    for moment, is_begin, seq in moments:
        if is_begin and seq <= highest_acknowledged:
            yield Violation("I5", f"seq {seq} began at {moment}, after seq {highest_acknowledged} was acknowledged")
        if not is_begin:
            highest_acknowledged = max(highest_acknowledged, seq)


def _readers_saw_history(shown: Mapping[str, Sequence[Entry]], by_seq: Mapping[int, Entry]) -> Iterable[Violation]:
    head = max(by_seq, default=0)
    for reader, entries in shown.items():
        if not entries:
            if by_seq:
                yield Violation("I3", f"{reader} was shown nothing")
            continue
        due = entries[0].seq
        for entry in entries:
            if entry.seq != due:
                yield Violation("I3", f"{reader} was shown seq {entry.seq} where {due} was due")
                break
            if by_seq.get(entry.seq) != entry:
                yield Violation("I2", f"{reader} was shown {entry}, history has {by_seq.get(entry.seq)}")
            due += 1
        if entries[-1].seq < head:
            yield Violation("I3", f"{reader} was shown nothing after seq {entries[-1].seq}; the head is {head}")
