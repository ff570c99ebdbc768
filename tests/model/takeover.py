"""Takeover: how a process becomes the owner of the shard and recovers its logs. The arrows of §4 are `yield from`.

Readings taken:
- Who takes over reads the mark before the chain, as every reader does; a mark that is too old only makes it read more.
- A log whose newest chained epoch is the process's own (a handover) needs neither repair nor seal: it was drained.
- Repair writes events and texts of the run under their keys; overlays are not repaired but applied again.
- "Of open dirty windows" are the present and the last window; which logs are eager is no matter of safety.
"""

from dataclasses import dataclass

from tests.model.overlays import overlay_writes
from tests.model.process import LogMemory, Process
from tests.model.reads import read_chain, read_mark, read_rows, read_run
from tests.model.replicas import CasAnswer, Ownership, Write
from tests.model.rows import erase_ghosts, write_rows
from tests.model.vocabulary import (
    TAIL,
    Chain,
    ExitError,
    Kind,
    LogId,
    Row,
    Seal,
    Seq,
    Steps,
    bucket,
)


def become_owner(process: Process, suspicion: float) -> Steps[None]:
    """Wait until the owner's heartbeat looks stale, fence it, wait for the fence, CAS. Or get the shard handed over: the table
    says so, or the answer of who gave it away."""
    world, protocol = process.world, process.world.protocol
    while True:
        if process.told and world.rng.random() < world.schedule.answer_arrives:
            answer_to = process.told.pop(int(world.rng.random() * len(process.told)))
            if answer_to.given == process.given or not protocol.late_answers_dropped:
                process.epoch = answer_to.epoch
                process.note("is told that it owns the shard")
                return
        seen = yield from process.row.serial_read()
        if seen.owner == process.incarnation:
            process.epoch = seen.epoch
            return
        if seen.owner is not None:
            if world.rng.random() > suspicion:
                continue
            if protocol.fence:
                fence = world.network.write(world.tables.fence, seen.owner, {None: (1, True)})
                if protocol.fence_awaited:
                    yield from process.write_at_quorum([fence])
        wanted = Ownership(seen.epoch + 1, process.incarnation)
        answer = yield from process.row.compare_and_set(seen, wanted)
        owns = answer is CasAnswer.APPLIED
        if answer is CasAnswer.UNCLEAR:
            owns = (yield from process.row.serial_read()) == wanted or not protocol.unclear_cas_resolved
        if owns:
            process.epoch = wanted.epoch
            process.note("owns the shard")
            if seen.owner is not None and not protocol.fence_never_unset:
                world.network.write(world.tables.fence, seen.owner, {None: (2, False)})
            return


@dataclass(slots=True)
class Tail:
    """What a takeover reads of one log before it seals it."""

    log: LogId
    mark: Seq
    chain: Chain
    run: list[Row]  # of the newest chained epoch, from max(its start, mark + 1)
    end: Seq  # p, the end of the contiguous run


def recover(process: Process, logs: list[LogId]) -> Steps[None]:
    """Read, repair and seal each log; one barrier for all; apply their overlays again; serve them."""
    protocol = process.world.protocol
    tails: list[Tail] = []
    for log in logs:
        tail = yield from read_tail(process, log)
        if tail.chain.newest() > process.epoch and protocol.stale_owner_exits:
            process.note("finds log %d sealed by epoch %d", log, tail.chain.newest())
            raise ExitError
        if tail.chain.newest() != process.epoch:
            yield from repair(process, tail)
            yield from seal(process, tail)
            if not protocol.ghosts_erased_after_barrier:
                erase_ghosts(process, log, tail.chain)
        tails.append(tail)
    if protocol.recovery_barrier:
        yield from process.barrier()
    memories: list[LogMemory] = []
    overlays: list[Write] = []
    for tail in tails:
        memory = yield from rebuild(process, tail)
        memories.append(memory)
        overlays += overlays_again(process, tail, memory)
    if protocol.reapplied_overlays_awaited:
        yield from process.write_at_quorum(overlays)
    for memory in memories:
        serve(process, memory)


def read_tail(process: Process, log: LogId) -> Steps[Tail]:
    mark = yield from read_mark(process.world, log)
    chain = yield from read_chain(process.world, log)
    if not chain.links:
        return Tail(log, mark, chain, [], 0)
    first = max(chain.start(), mark + 1)
    run = yield from read_run(process.world, log, chain.newest(), first)
    return Tail(log, mark, chain, run, first - 1 + len(run))


def repair(process: Process, tail: Tail) -> Steps[None]:
    """Write the rows that were read, and the seal that is about to be linked to, again under the same keys."""
    world, protocol = process.world, process.world.protocol
    writes: list[Write] = []
    if protocol.rows_repaired:
        for number in sorted({bucket(row.seq) for row in tail.run}):
            rows = [row for row in tail.run if bucket(row.seq) == number]
            writes.append(write_rows(process, tail.log, rows))
    if protocol.linked_seal_repaired and tail.chain.links:
        epoch, linked = tail.chain.links[-1]
        writes.append(world.network.write(world.tables.log_epoch, tail.log, {epoch: (1, linked)}))
    if protocol.repair_awaited:
        yield from process.write_at_quorum(writes)


def seal(process: Process, tail: Tail) -> Steps[None]:
    """From p + 1 on the log is this epoch's."""
    world = process.world
    new = Seal(tail.end + 1, tail.chain.newest())
    write = world.network.write(world.tables.log_epoch, tail.log, {process.epoch: (1, new)})
    process.note("seals log %d: %s", tail.log, new)
    if world.protocol.seal_awaited:
        yield from process.write_at_quorum([write])
    tail.chain = Chain([*tail.chain.links, (process.epoch, new)])


def rebuild(process: Process, tail: Tail) -> Steps[LogMemory]:
    """Read the log into memory. §4 reads the remembered tail only; reading all of it checks more."""
    rows = yield from read_rows(process.world, tail.log, tail.chain, tail.end)
    remembers_tail = process.world.protocol.tail_rebuilt
    return LogMemory(
        log=tail.log,
        high_water=tail.end,
        next_seq=tail.end + 1,
        chain=tail.chain,
        remembered_from=(tail.end - TAIL if remembers_tail else tail.end) + 1,
        rows={row.seq: row for row in rows},
        seq_of={row.event.client_id: row.seq for row in rows},
        deleted={row.event.target for row in rows if row.event.kind is Kind.DELETION and row.event.target is not None},
        marked=tail.mark,
    )


def overlays_again(process: Process, tail: Tail, memory: LogMemory) -> list[Write]:
    """Apply the overlays of every event above the mark again: its owner may have died before they were durable."""
    protocol = process.world.protocol
    if not protocol.overlays_reapplied:
        return []
    first = tail.mark + 1
    if not protocol.overlays_reapplied_from_mark and tail.run:
        first = tail.run[0].seq
    elif not protocol.overlays_reapplied_from_mark:
        first = tail.end + 1
    writes: list[Write] = []
    for seq in range(first, tail.end + 1):
        writes += overlay_writes(process, memory, seq)
    return writes


def serve(process: Process, memory: LogMemory) -> None:
    process.note("serves log %d up to %d", memory.log, memory.high_water)
    process.logs[memory.log] = memory
    for row in memory.rows.values():
        process.world.checker.show(memory.log, row.seq, row.event)
