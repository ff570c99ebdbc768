"""How the owner of a shard recovers a log of it: chain, contiguous run, repair, seal. Each waits for what precedes it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from libs.cassandra import Session
from libs.log_store.cassandra import rows
from libs.log_store.cassandra.chain import read_chains, write_seal
from libs.log_store.cassandra.durable import all_until_durable
from libs.log_store.cassandra.marks import read_marks
from libs.log_store.cassandra.owned import OwnedLog
from libs.log_store.cassandra.vocabulary import Chain, Epoch, EpochRow, Seal
from libs.log_store.errors import Fenced
from libs.log_store.types import Head, Kind, LogKey, LogPosition, Row, Seq

_ANY_SIZE = 1 << 62


class Outline(NamedTuple):
    """What a takeover reads of many logs at once."""

    log: LogKey
    mark: Head
    chain: Chain
    ends_at_mark: bool
    """There is no row at mark + 1, be it a ghost."""


class Tail(NamedTuple):
    """What a takeover knows of a log before it seals it."""

    log: LogKey
    mark: Head
    chain: Chain
    run: list[EpochRow]
    """Of the newest chained epoch, from max(its start, mark + 1)."""
    end: Seq
    """The end of the contiguous run."""


async def outlines(session: Session, logs: Sequence[LogKey]) -> list[Outline]:
    """The marks first, as every reader does: one that is too old only makes it read more. Then the chains, and then whether there
    is a row above the mark: what a seal in the chain follows was durable before it. Logs whose chain is broken are left out."""
    marks = await read_marks(session, logs)
    chains = await read_chains(session, logs)
    above = await _above(session, marks)
    return [Outline(log, marks[log], chain, log not in above) for log, chain in chains.items()]


async def recover(session: Session, outline: Outline, epoch: Epoch) -> OwnedLog:
    """Make sure that a log ends where nobody but its new owner can go on. To be followed by a barrier, and by `amend_again` of
    what lies above the mark, before it is served.

    Raises:
        Fenced: a later owner has sealed it.
        CassandraUnavailable: nothing is known of it.
    """
    tail = await _tail(session, outline)
    log, chain = tail.log, tail.chain
    if chain.newest() > epoch:
        raise Fenced
    if (
        chain.newest() != epoch
    ):  # it is ours already after a handover, or when memory let go of it: nothing is open then
        await repair(session, tail)
        seal = Seal(Seq(tail.end + 1), chain.newest())
        await write_seal(session, log, epoch, seal)
        chain = Chain([*chain.links, (epoch, seal)])
    return OwnedLog(log, await _head(session, tail), marked=tail.mark.seq, chain=chain, sealed=True)


async def _tail(session: Session, outline: Outline) -> Tail:
    log, mark, chain, ends_at_mark = outline
    if ends_at_mark or not chain.links:
        return Tail(log, mark, chain, [], mark.seq)
    first = Seq(max(chain.start(), mark.seq + 1))
    run = await rows.read_run(session, log, chain.newest(), first)
    return Tail(log, mark, chain, run, Seq(first - 1 + len(run)))


async def repair(session: Session, tail: Tail) -> None:
    """Write the rows that were read, and the seal that is about to be linked to, again under the same keys.

    One replica may have been enough to show them; from here on a quorum holds them.
    """
    await all_until_durable(rows.writes(session, tail.log, tail.run))
    if tail.chain.links:
        epoch, linked = tail.chain.links[-1]
        await write_seal(session, tail.log, epoch, linked)


async def closed_logs(session: Session, logs: Sequence[LogKey]) -> dict[LogKey, OwnedLog]:
    """Those of some logs of ours, which nobody has recovered, whose heads are their marks. The others are to be recovered.

    An acknowledged event is durable and follows the mark without a gap, so that one above it would show at mark + 1. Who
    owned the log before is fenced, and acknowledges nothing more. So with no row there, be it a ghost, the mark is the head.
    """
    marks = await read_marks(session, logs)
    above = await _above(session, marks)
    return {
        log: OwnedLog(log, mark, marked=mark.seq, chain=None, sealed=False)
        for log, mark in marks.items()
        if log not in above
    }


async def _above(session: Session, marks: Mapping[LogKey, Head]) -> set[LogKey]:
    """The logs that have a row at mark + 1."""
    return await rows.are_there(session, [LogPosition(log, Seq(mark.seq + 1)) for log, mark in marks.items()])


async def _head(session: Session, tail: Tail) -> Head:
    """The head at the end of the run, from the mark and from what lies above it; its last message as it was at first, or at the
    mark."""
    if tail.end == tail.mark.seq:
        return tail.mark
    newest = tail.run[-1].row if tail.run else await _row(session, tail, tail.end)
    last_message = tail.mark.last_message
    if newest.message_count != tail.mark.message_count:
        last_message = await _last_message(session, tail)
    return Head(newest.seq, newest.message_count, newest.policy_version, newest.time_ms, last_message)


async def _last_message(session: Session, tail: Tail) -> bytes:
    for row, _, _ in reversed(tail.run):
        if row.kind is Kind.MESSAGE:
            return row.event
    for seq in range(tail.end - len(tail.run), tail.mark.seq, -1):  # of older epochs, after a takeover that set no mark
        row = await _row(session, tail, Seq(seq))
        if row.kind is Kind.MESSAGE:
            return row.event
    return b""


async def _row(session: Session, tail: Tail, seq: Seq) -> Row:
    (found,) = await rows.read_rows(session, tail.log, tail.chain, seq, seq, limit=1, max_bytes=_ANY_SIZE)
    return found.row
