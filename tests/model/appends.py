"""Append: look up, assign the next seq, flush, wait until durable, pass the barrier, advance the high-water mark.

Readings taken:
- The row of `dirty` is durable before the first row of the window is sent; its window is the one of that moment.
- "A retry of a pending send waits for it" is silence here: the client tries again, or is answered with the first.
- Pending is also an edit or deletion whose overlays are not durable.
- The look-up after `after_seq` is a scan of the log; here it is a look into memory that holds all of it.
"""

from tests.model.checker import Operation
from tests.model.overlays import overlay_writes
from tests.model.process import DueOverlays, LogMemory, Pending, Process
from tests.model.rows import write_rows
from tests.model.vocabulary import TAIL, Kind, Row, Seq, Steps, bucket


def admit(process: Process, operation: Operation, after_seq: Seq | None) -> None:
    """A request arrives: answer a retry with the first seq, or assign the next one."""
    checker, protocol = process.world.checker, process.world.protocol
    memory = process.logs.get(operation.log)
    if not process.admits:
        return
    if memory is None:
        process.wanted.add(operation.log)
        return
    first = look_up(process, memory, operation, after_seq)
    if first is None:
        if is_acceptable(process, memory, operation):
            assign(process, memory, operation)
    elif not is_pending(memory, first) or not protocol.pending_retry_waits:
        process.note("answers a retry of %s with %d", operation.event, first)
        checker.acknowledge(operation, first)


def look_up(process: Process, memory: LogMemory, operation: Operation, after_seq: Seq | None) -> Seq | None:
    """The seq that this client id has, if it is in the remembered tail or above `after_seq`."""
    seq = memory.seq_of.get(operation.event.client_id)
    if seq is None:
        return None
    remembered = seq >= memory.remembered_from and seq > memory.high_water - TAIL
    scanned = after_seq is not None and seq > after_seq and process.world.protocol.after_seq_scanned
    return seq if remembered or scanned or is_pending(memory, seq) else None


def is_pending(memory: LogMemory, seq: Seq) -> bool:
    return seq > memory.high_water or seq in memory.undurable_overlays


def is_acceptable(process: Process, memory: LogMemory, operation: Operation) -> bool:
    kind, target = operation.event.kind, operation.event.target
    if target is None:
        return True
    if target > memory.high_water:
        return False
    if target not in memory.deleted:
        return True
    return kind is Kind.EDIT and not process.world.protocol.edit_after_deletion_refused


def assign(process: Process, memory: LogMemory, operation: Operation) -> None:
    seq, event = memory.next_seq, operation.event
    memory.next_seq += 1
    memory.rows[seq] = Row(seq, process.epoch, event, operation.text())
    memory.seq_of[event.client_id] = seq
    if event.target is not None:
        memory.undurable_overlays.add(seq)
        if event.kind is Kind.DELETION:
            memory.deleted.add(event.target)
        if not process.world.protocol.overlays_below_high_water:
            overlay_writes(process, memory, seq)
    memory.unflushed.append(Pending(operation, seq))
    process.note("assigns log %d seq %d to %s", memory.log, seq, event)


def flush_appends(process: Process) -> Steps[None]:
    """Task: write what was admitted, one batch per log and bucket. Flushes pipeline: no row is waited for."""
    protocol = process.world.protocol
    while True:
        yield
        for memory in list(process.logs.values()):
            if memory.unflushed:
                if protocol.append_barrier and not protocol.barrier_after_writes:
                    yield from process.barrier()
                yield from mark_dirty(process, memory)
                flush(process, memory)


def mark_dirty(process: Process, memory: LogMemory) -> Steps[None]:
    """Before a log's first append in a window, its row of `dirty` is durable."""
    world = process.world
    while (window := world.window()) not in memory.dirty_windows:
        write = world.network.write(world.tables.dirty, window, {memory.log: (1, True)})
        if world.protocol.dirty_awaited:
            yield from process.write_at_quorum([write])
        memory.dirty_windows.add(window)


def flush(process: Process, memory: LogMemory) -> None:
    window = process.world.window()
    for number in sorted({bucket(pending.seq) for pending in memory.unflushed}):
        batch = [pending for pending in memory.unflushed if bucket(pending.seq) == number]
        write = write_rows(process, memory.log, [memory.rows[pending.seq] for pending in batch])
        for pending in batch:
            pending.write, pending.window = write, window
            memory.in_flight[pending.seq] = pending
    memory.unflushed.clear()


def acknowledge_appends(process: Process) -> Steps[None]:
    """Task: the barrier for rows that are durable, and what may be done only after it."""
    protocol = process.world.protocol
    while True:
        yield
        durable = [(memory, pending) for memory in process.logs.values() for pending in take_durable(process, memory)]
        if durable and protocol.append_barrier and protocol.barrier_after_writes:
            yield from process.barrier()
        for memory, pending in durable:
            advance(process, memory, pending)


def take_durable(process: Process, memory: LogMemory) -> list[Pending]:
    """Rows durable contiguously above the high-water mark. All others are looked at, too, and repeated in time."""
    durable: list[Pending] = []
    contiguous = memory.high_water + 1
    for seq, pending in list(memory.in_flight.items()):
        if not is_durable(process, memory, pending):
            continue
        if seq == contiguous or not process.world.protocol.append_contiguous:
            durable.append(pending)
            contiguous = seq + 1
    return durable


def is_durable(process: Process, memory: LogMemory, pending: Pending) -> bool:
    world, write = process.world, pending.write
    if write is None:
        return False
    timed_out = write.looks >= world.schedule.patience
    if timed_out and not world.protocol.timed_out_seq_kept and pending.seq == memory.next_seq - 1:
        give_up(memory, pending)
        return False
    return world.network.look(write) or (write.acks > 0 and not world.protocol.append_durable)


def give_up(memory: LogMemory, pending: Pending) -> None:
    """What no owner may do: forget a row whose write has an unknown outcome, so that its seq is assigned again."""
    memory.next_seq -= 1
    del memory.in_flight[pending.seq], memory.rows[pending.seq], memory.seq_of[pending.operation.event.client_id]
    memory.undurable_overlays.discard(pending.seq)


def advance(process: Process, memory: LogMemory, pending: Pending) -> None:
    """The barrier is passed: advance the high-water mark, publish, acknowledge."""
    del memory.in_flight[pending.seq]
    memory.high_water = max(memory.high_water, pending.seq)
    process.note("has log %d up to %d", memory.log, memory.high_water)
    process.world.checker.show(memory.log, pending.seq, pending.operation.event)
    if pending.operation.event.kind is Kind.MESSAGE:
        process.world.checker.acknowledge(pending.operation, pending.seq, pending.window)
    else:
        memory.due_overlays[pending.seq] = DueOverlays(pending)
