"""What was acknowledged stands in the log (I1), at one place (I4), in the order in which it was said (I5), and what a message
became is what the log says of it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tests.faults.history import History, Violation
from tests.faults.operations import Entry, Kind, Operation, Outcome

_EVENT_OF = {Kind.SEND: "message", Kind.EDIT: "message_edited", Kind.DELETE: "message_deleted"}


def check(operations: Sequence[Operation], history: History) -> Iterator[Violation]:
    """All of it, for one channel."""
    writes = [operation for operation in operations if operation.kind in _EVENT_OF]
    yield from _is_contiguous(history)
    yield from _is_there(writes, history)
    yield from _is_in_later_reads(operations)
    yield from _reads_agree(operations, history)
    yield from _once(writes, history)
    yield from _somebody_asked_for_it(writes, history)
    yield from _causal(writes, history)
    yield from _messages_follow_from_the_log(history)


def _is_contiguous(history: History) -> Iterator[Violation]:
    for expected, entry in enumerate(history.entries, start=1):
        if entry.seq != expected:
            yield Violation("I3", f"{history.channel}: history has seq {entry.seq} where {expected} was due")
            return


def _is_there(writes: Iterable[Operation], history: History) -> Iterator[Violation]:
    for write in writes:
        if not write.ok:
            continue
        entry = history.by_seq.get(write.seq)
        if entry is None:
            yield Violation("I1", f"{_name(write)} was acknowledged at {write.seq}, which history lacks")
        elif not _is(write, entry, history):
            yield Violation("I1", f"{_name(write)} was acknowledged at {write.seq}, where history has {entry}")


def _is(write: Operation, entry: Entry, history: History) -> bool:
    """Whether an event is what was written. A deletion of what is deleted is answered with the first one."""
    if entry.kind != _EVENT_OF[write.kind] or entry.target != write.target:
        return False
    if write.kind is Kind.DELETE:
        return True
    same_text = entry.text == ("" if history.is_gone(entry.seq) else write.text)
    return same_text and (entry.author, entry.client_id) == (write.user, write.client_id)


def _is_in_later_reads(operations: Sequence[Operation]) -> Iterator[Violation]:
    """Whoever asks for the head after an acknowledgement is told of one that is not older."""
    highest = _Highest((each.ended, each.seq) for each in operations if each.ok and each.kind in _EVENT_OF)
    for read in sorted((each for each in operations if each.ok and each.head), key=lambda each: each.begun):
        if (due := highest.before(read.begun)) > read.head:
            yield Violation(
                "I1", f"{_name(read)} at {read.begun:.3f} was told head {read.head} after {due} was acknowledged"
            )


def _reads_agree(operations: Iterable[Operation], history: History) -> Iterator[Violation]:
    for read in operations:
        for entry in read.entries:
            there = history.by_seq.get(entry.seq)
            if there is None or there.place != entry.place:
                yield Violation("I2", f"{_name(read)} at {read.begun:.3f} read {entry}, history has {there}")
        if read.to_seq and [entry.seq for entry in read.entries] != list(range(read.from_seq, read.to_seq + 1)):
            yield Violation("I3", f"{_name(read)} read events from {read.from_seq} to {read.to_seq} and lacks some")


def _once(writes: Iterable[Operation], history: History) -> Iterator[Violation]:
    first: dict[tuple[str, str], int] = {}
    for entry in history.entries:
        if not entry.client_id:  # readers are not shown those of membership events
            continue
        earlier = first.setdefault((entry.author, entry.client_id), entry.seq)
        if earlier != entry.seq:
            yield Violation("I4", f"{entry.client_id} of {entry.author} stands at {earlier} and at {entry.seq}")
    answered: dict[tuple[str, str], int] = {}
    for write in writes:
        if write.ok and answered.setdefault((write.user, write.client_id), write.seq) != write.seq:
            yield Violation("I4", f"{_name(write)} was acknowledged at two places, one of them {write.seq}")


def _somebody_asked_for_it(writes: Iterable[Operation], history: History) -> Iterator[Violation]:
    asked = {
        (_EVENT_OF[write.kind], write.user, write.client_id) for write in writes if write.outcome is not Outcome.FAILED
    }
    for entry in history.entries:
        if entry.kind in _EVENT_OF.values() and (entry.kind, entry.author, entry.client_id) not in asked:
            yield Violation("I1", f"history has {entry}, which nobody asked for or which was refused")


class _Whole(NamedTuple):
    """All tries of one write."""

    begun: float
    ended: float
    seq: int


def _causal(writes: Iterable[Operation], history: History) -> Iterator[Violation]:
    """What was tried first after another was acknowledged has the higher seq."""
    tries: defaultdict[tuple[str, str], list[Operation]] = defaultdict(list)
    for write in writes:
        tries[write.user, write.client_id].append(write)
    wholes = []
    for of_one in tries.values():
        done = [each for each in of_one if each.ok]
        if done and (entry := history.by_seq.get(done[0].seq)) and entry.client_id == done[0].client_id:
            wholes.append(_Whole(of_one[0].begun, done[0].ended, done[0].seq))
    highest = _Highest((whole.ended, whole.seq) for whole in wholes)
    for whole in sorted(wholes):
        if (before := highest.before(whole.begun)) >= whole.seq:
            yield Violation(
                "I5", f"seq {whole.seq} was begun at {whole.begun:.3f}, after seq {before} was acknowledged"
            )


def _messages_follow_from_the_log(history: History) -> Iterator[Violation]:
    for entry in history.entries:
        if entry.kind == "message_edited" and entry.seq > history.deletions.get(entry.target, entry.seq):
            yield Violation("I6", f"{history.channel}: an edit at {entry.seq} follows the deletion of {entry.target}")
        if entry.kind != "message":
            continue
        gone = entry.seq in history.deletions
        if entry.deleted is not gone:
            told, said = ("is", "no") if entry.deleted else ("is not", "a")
            yield Violation(
                "I2", f"{history.channel}: {entry.seq} {told} shown as deleted; the log has {said} deletion of it"
            )
        edits = history.edits.get(entry.seq)
        newest = edits[-1].text if edits and not gone else ""
        if entry.edited != newest:
            yield Violation("I2", f"{history.channel}: {entry.seq} reads {entry.edited!r}; by the log it is {newest!r}")


class _Highest:
    """The highest seq by time; to be asked in order of time."""

    def __init__(self, moments: Iterable[tuple[float, int]]) -> None:
        self._moments = sorted(moments, reverse=True)
        self._highest = 0

    def before(self, moment: float) -> int:
        while self._moments and self._moments[-1][0] < moment:
            self._highest = max(self._highest, self._moments.pop()[1])
        return self._highest


def _name(operation: Operation) -> str:
    return f"{operation.channel}: {operation.kind} {operation.client_id or operation.user}"
