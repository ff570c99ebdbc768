"""The words of §4 that more than one file of the model needs."""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias, TypeVar

Seq: TypeAlias = int
Epoch: TypeAlias = int
LogId: TypeAlias = int
ShardId: TypeAlias = int
Window: TypeAlias = int
Incarnation: TypeAlias = int
ClientId: TypeAlias = int
Timestamp: TypeAlias = int

SHARDS: tuple[ShardId, ...] = (0, 1)
LOGS: tuple[LogId, ...] = (0, 1, 2)  # two of one shard, and one of the other
ROWS_PER_BUCKET = 3  # 8192 in §4; small, so that a run crosses buckets
TAIL = 2  # how many seqs back the owner remembers client ids without being told an after_seq
NO_EPOCH: Epoch = 0

T = TypeVar("T")
Steps: TypeAlias = Generator[None, None, T]
"""Work in steps: what stands between two `yield`s happens at once, anything may happen at a `yield`."""


class InvariantError(Exception):
    """An invariant of §3 is broken."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")


class ExitError(Exception):
    """The process learnt that it is fenced or stale: it ends without acknowledging anything more."""


class Kind(Enum):
    MESSAGE = "message"
    EDIT = "edit"
    DELETION = "deletion"


class Event(NamedTuple):
    """What I2 wants every reader to see at a seq. Its text is not part of it: a deletion blanks it."""

    client_id: ClientId
    kind: Kind
    target: Seq | None

    def __str__(self) -> str:
        return f"#{self.client_id} {self.kind.value}" + (f" of {self.target}" if self.target else "")


class Seal(NamedTuple):
    """A row of `log_epoch`: from `start` the log belongs to this epoch; `previous` links to the one before."""

    start: Seq
    previous: Epoch


Column: TypeAlias = Literal["event", "body", "edited", "edits", "deleted", "erased"]
CellKey: TypeAlias = tuple[Seq, Epoch, Column]
CellValue: TypeAlias = Event | str


@dataclass(slots=True)
class Row:
    """One event as a reader puts it together: its own cells and the overlays beside it."""

    seq: Seq
    epoch: Epoch
    event: Event
    body: str
    edited: str = ""
    deleted: bool = False
    edits: tuple[Seq, ...] = ()

    def shown(self) -> str:
        """The text that a reader shows: `deleted` wins over any text."""
        return "" if self.deleted else self.edited or self.body


EPOCH_WEIGHT = 1_000_000  # 2^40 in Cassandra: more than any seq


def timestamp(epoch: Epoch, seq: Seq) -> Timestamp:
    """Of what an epoch's owner writes for an event: later epochs win, and in one epoch later events."""
    return epoch * EPOCH_WEIGHT + seq


def bucket(seq: Seq) -> int:
    return seq // ROWS_PER_BUCKET


def shard_of(log: LogId) -> ShardId:
    return log % len(SHARDS)


class Chain:
    """The epochs that follow from the newest seal by its links; rows of all other epochs are ghosts."""

    __slots__ = ("links",)

    def __init__(self, links: list[tuple[Epoch, Seal]]) -> None:
        self.links = links  # oldest first

    def newest(self) -> Epoch:
        return self.links[-1][0] if self.links else NO_EPOCH

    def start(self) -> Seq:
        """The first seq of the newest epoch."""
        return self.links[-1][1].start if self.links else 1

    def valid_epoch(self, seq: Seq) -> Epoch:
        """The chained epoch with the greatest start ≤ seq; the newer one where an epoch has no rows."""
        for epoch, seal in reversed(self.links):
            if seal.start <= seq:
                return epoch
        return NO_EPOCH
