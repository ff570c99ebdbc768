"""A log in which messages are edited, deleted, answered and reacted to, as its owner would write it."""

from collections.abc import Sequence

from tertulia.chat.v1 import event_pb2

from libs.log_store import Entry, Kind, LogBatch, LogKey, LogStore, Millis, Row, Seq
from libs.log_store.amendments import Amending, Target
from tests.conformance.log_store.rows import LOG

EVERYTHING = 1 << 40


class Story:
    """Makes the rows of a log in their order, and the batches with what follows from them."""

    def __init__(self, log: LogKey = LOG) -> None:
        self._log = log
        self._rows: list[Row] = []
        self._batched = 0
        self._messages = 0
        self._targets: dict[Seq, Target] = {}

    def say(self, text: str, *, sender: str = "alice", reply_to: int = 0, mentions: Sequence[str] = ()) -> Seq:
        message = event_pb2.Message(text=text, reply_to_seq=reply_to, mentioned_user_ids=mentions)
        return self._add(Kind.MESSAGE, event_pb2.Event(message=message, sender_user_id=sender), reply_to)

    def edit(self, target: int, text: str, *, mentions: Sequence[str] = ()) -> Seq:
        message = event_pb2.Message(text=text, mentioned_user_ids=mentions)
        edited = event_pb2.MessageEdited(target_seq=target, message=message)
        return self._add(Kind.EDIT, event_pb2.Event(message_edited=edited, sender_user_id="alice"), target)

    def delete(self, target: int) -> Seq:
        deleted = event_pb2.MessageDeleted(target_seq=target, reply_to_seq=self._rows[target - 1].target_seq)
        return self._add(Kind.DELETION, event_pb2.Event(message_deleted=deleted, sender_user_id="alice"), target)

    def react(self, target: int, key: str, *, sender: str = "bob") -> Seq:
        changed = event_pb2.ReactionChanged(target_seq=target, key=key)
        return self._add(Kind.REACTION, event_pb2.Event(reaction_changed=changed, sender_user_id=sender), target)

    def _add(self, kind: Kind, event: event_pb2.Event, target: int) -> Seq:
        self._messages += kind is Kind.MESSAGE
        event.seq = len(self._rows) + 1
        event.time_ms = 1_700_000_000_000 + event.seq
        event.message_count = self._messages
        event.client_id = f"id-{event.seq}"
        self._rows.append(
            Row(
                Seq(event.seq),
                kind,
                Millis(event.time_ms),
                self._messages,
                0,
                event.sender_user_id,
                event.client_id,
                f"digest-{event.seq}".encode(),
                event.SerializeToString(),
                Seq(target),
            )
        )
        return Seq(event.seq)

    def batch(self) -> list[LogBatch]:
        """What was added since the last batch."""
        new = self._rows[self._batched :]
        self._batched = len(self._rows)
        amending = Amending()
        for row in new:
            if row.kind is Kind.MESSAGE:
                self._targets[row.seq] = Target(Entry(row, Seq(0), b""))
            amending.add(event_pb2.Event.FromString(row.event), self._targets)
        return [LogBatch(self._log, new, amending.amendments())]

    async def told(self, store: LogStore) -> None:
        """Append what was added since the last time, and acknowledge it."""
        await store.append(self.batch())
        await store.barrier()


async def events(store: LogStore, log: LogKey = LOG, *, backward: bool = False) -> list[event_pb2.Event]:
    """The whole log as readers get it."""
    found = await store.read(log, Seq(1), Seq(1 << 50), limit=10_000, max_bytes=EVERYTHING, backward=backward)
    return [event_pb2.Event.FromString(shown.event) for shown in found]


async def last_message(store: LogStore, log: LogKey = LOG) -> event_pb2.Event:
    (head,) = await store.heads([log], with_last_message=True)
    recovered = await store.recover(log, 10)
    assert recovered.head == head
    return event_pb2.Event.FromString(head.last_message)
