"""The words of DESIGN.md §4 that more than one file needs."""

from typing import NamedTuple, NewType

from libs.log_store.types import Row, Seq

Epoch = NewType("Epoch", int)
"""Counts the ownerships of a shard, from 1."""

Incarnation = NewType("Incarnation", str)
"""A random id per start of a process."""

NO_EPOCH = Epoch(0)
NOBODY = Incarnation("")

ROWS_PER_BUCKET = 8192
"""How many seqs share a partition. Part of what is stored: it never changes."""


def bucket(seq: Seq) -> int:
    return seq // ROWS_PER_BUCKET


_SEQ_BITS = 40  # a thousand events a second for 34 years
_EPOCH_BITS = 23  # what a timestamp of 63 bits has left


def timestamp(epoch: Epoch, seq: Seq) -> int:
    """Of the cells that an epoch's owner writes for an event: of later epochs they win, and in one epoch those of later events.

    Raises:
        OverflowError: there were more than 2^40 events in the log, or more than 2^23 owners of its shard.
    """
    if seq >> _SEQ_BITS or epoch >> _EPOCH_BITS:
        raise OverflowError(f"seq {seq} of epoch {epoch} is beyond what a log can hold")
    return epoch << _SEQ_BITS | seq


class EpochRow(NamedTuple):
    """A row and the epoch whose owner wrote it first: its key, to which it is bound for ever."""

    row: Row
    epoch: Epoch
    deletion_seq: Seq = Seq(0)
    """As Entry.deletion_seq. Not written with the row."""


class Seal(NamedTuple):
    """A row of `log_epoch`: from `start` the log belongs to this epoch; `previous` links to the one before."""

    start: Seq
    previous: Epoch


class Chain:
    """The epochs that follow from the newest seal by its links; rows of all other epochs are ghosts for ever."""

    __slots__ = ("links",)

    def __init__(self, links: list[tuple[Epoch, Seal]]) -> None:
        self.links = links
        """Oldest first."""

    def newest(self) -> Epoch:
        return self.links[-1][0] if self.links else NO_EPOCH

    def start(self) -> Seq:
        """The first seq of the newest epoch."""
        return self.links[-1][1].start if self.links else Seq(1)

    def valid_epoch(self, seq: Seq) -> Epoch:
        """The chained epoch with the greatest start ≤ seq; the newer one where an epoch has no rows."""
        for epoch, seal in reversed(self.links):
            if seal.start <= seq:
                return epoch
        return NO_EPOCH
