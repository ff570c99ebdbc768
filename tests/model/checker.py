"""What was promised to whom, and the invariants of §3 asserted against it.

- I1 durable: what was acknowledged is in every later read, with the text that the log implies.
- I2 one order: whoever shows a seq, live, from memory or from history, shows the same event.
- I4 once: one client id takes at most one seq (without `after_seq`: within the tail).
- I5 causal: a seq is greater than every seq acknowledged when its operation was sent.
- I6 no resurrection: nobody shows a deleted text to a read that began after the acknowledgement, and none is at rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.vocabulary import LOGS, TAIL, ClientId, Event, InvariantError, Kind, LogId, Row, Seq, Window


@dataclass(slots=True)
class Operation:
    """One send, edit or deletion of a client, from its first try to its acknowledgement."""

    log: LogId
    event: Event
    after_seq: Seq | None  # the highest seq that the client had seen when it first tried
    acknowledged_before: Seq  # the highest seq acknowledged to anybody then (I5)
    seq: Seq | None = None

    def text(self) -> str:
        return text_of(self.event)


def text_of(event: Event) -> str:
    return "" if event.kind is Kind.DELETION else f"text {event.client_id}"


class Expectation(NamedTuple):
    """What a read that begins now has to show."""

    head: Seq
    deleted: frozenset[Seq]


class Checker:
    def __init__(self) -> None:
        self.operations: dict[ClientId, Operation] = {}
        self.shown: dict[LogId, dict[Seq, Event]] = {log: {} for log in LOGS}
        self.head: dict[LogId, Seq] = dict.fromkeys(LOGS, 0)  # the highest acknowledged
        self.deleted: dict[LogId, set[Seq]] = {log: set() for log in LOGS}
        self.appended: dict[LogId, dict[Seq, Window]] = defaultdict(dict)  # acknowledged, by the window of the append

    def acknowledge(self, operation: Operation, seq: Seq, window: Window | None = None) -> None:
        log, event = operation.log, operation.event
        if seq <= operation.acknowledged_before:
            raise InvariantError("I5", f"{event} of log {log} got {seq}, {operation.acknowledged_before} was before it")
        if operation.seq is None:
            operation.seq = seq
        self.same_or_tolerated(operation, operation.seq, seq)
        self.show(log, seq, event)
        self.head[log] = max(self.head[log], seq)
        if event.target is not None and event.kind is Kind.DELETION:
            self.deleted[log].add(event.target)
        if window is not None:
            self.appended[log][seq] = window

    def same_or_tolerated(self, operation: Operation, first: Seq, second: Seq) -> None:
        """Without `after_seq` the tail is the window in which a retry is recognised."""
        if first != second and (operation.after_seq is not None or abs(first - second) <= TAIL):
            raise InvariantError("I4", f"{operation.event} of log {operation.log} has seqs {first} and {second}")

    def show(self, log: LogId, seq: Seq, event: Event) -> None:
        """Somebody was shown `event` at `seq`: delivered live, acknowledged, or read."""
        before = self.shown[log].setdefault(seq, event)
        if before != event:
            raise InvariantError("I2", f"log {log} seq {seq} shows {event}, before it was {before}")

    def expectation(self, log: LogId) -> Expectation:
        return Expectation(self.head[log], frozenset(self.deleted[log]))

    def memory_read(self, log: LogId, rows: Sequence[Row], expected: Expectation) -> None:
        """A page from an owner's memory that claims the head."""
        head = rows[-1].seq if rows else 0
        if head < expected.head:
            raise InvariantError("I1", f"log {log}: memory shows {head} as its head, {expected.head} was acknowledged")
        self.history_read(log, rows, expected)

    def history_read(self, log: LogId, rows: Iterable[Row], expected: Expectation) -> None:
        first_seqs: dict[ClientId, Seq] = {}
        for row in rows:
            self.show(log, row.seq, row.event)
            operation = self.operations[row.event.client_id]
            self.same_or_tolerated(operation, first_seqs.setdefault(row.event.client_id, row.seq), row.seq)
            of_deleted = row.seq in expected.deleted or row.event.target in expected.deleted
            if of_deleted and row.shown():
                raise InvariantError("I6", f"log {log} seq {row.seq} shows {row.shown()!r} after its deletion")

    def consumed(self, window: Window, dirty: Iterable[LogId], expected: Iterable[LogId]) -> None:
        """A consumer of the log as outbox asked which logs were written in a window."""
        missed = set(expected) - set(dirty)
        if missed:
            raise InvariantError("I1", f"a consumer does not learn of window {window} of log {min(missed)}")

    def written_in(self, window: Window) -> list[LogId]:
        return [log for log, appended in self.appended.items() if window in appended.values()]

    def at_rest(self, log: LogId, rows: Sequence[Row]) -> None:
        """The whole log, after all that was late has arrived: it holds all that was shown, and implies its overlays."""
        self.history_read(log, rows, self.expectation(log))
        events = {row.seq: row.event for row in rows}
        for seq, event in self.shown[log].items():
            if events.get(seq) != event:
                raise InvariantError("I1", f"log {log} seq {seq} was shown as {event} and is {events.get(seq)}")
        edited: dict[Seq, str] = {}
        deleted: dict[Seq, Seq] = {}
        for row in rows:
            if row.event.target is not None and row.event.kind is Kind.EDIT:
                edited[row.event.target] = text_of(row.event)
            elif row.event.target is not None:
                deleted.setdefault(row.event.target, row.seq)
        for row in rows:
            of_deletion = deleted.get(row.seq if row.event.kind is Kind.MESSAGE else row.event.target or 0)
            if of_deletion is None and (row.body, row.edited) != (text_of(row.event), edited.get(row.seq, "")):
                raise InvariantError("I1", f"log {log} seq {row.seq} holds {row}, the log says otherwise")
            if of_deletion is not None and (row.body or row.edited):
                raise InvariantError("I6", f"log {log} seq {row.seq} holds {row} for ever, deleted by {of_deletion}")
            if row.deleted != (row.event.kind is Kind.MESSAGE and of_deletion is not None):
                raise InvariantError("I6", f"log {log} seq {row.seq} and its deletion disagree: {row}")

    def ghosts_at_rest(self, log: LogId, texts: Iterable[tuple[Event, str]]) -> None:
        """No row that nobody is shown holds the text of what was deleted. What was sent without `after_seq` may be sent anew."""
        gone = {self.shown[log][seq].client_id for seq in self.deleted[log]}
        gone = {client_id for client_id in gone if self.operations[client_id].after_seq is not None}
        for event, text in texts:
            if text and (event.client_id in gone or event.target in self.deleted[log]):
                raise InvariantError("I6", f"log {log} holds {text!r} of {event} for ever, which was deleted")
