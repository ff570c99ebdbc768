"""Reads from an owner's memory, or of the head: each waits for a barrier begun after it arrived; appends share it."""

from tests.model.process import MemoryRead, Process
from tests.model.vocabulary import LogId, Steps


def arrive(process: Process, log: LogId) -> None:
    """A read arrives at a process that believes it serves the log."""
    if not process.admits_reads or log not in process.logs:
        return
    protocol = process.world.protocol
    barrier = process.body.barriers_begun + 1
    if process.body.barriers_begun > process.body.barriers_passed and not protocol.memory_barrier_after_arrival:
        barrier = process.body.barriers_begun  # joins one that is under way
    read = MemoryRead(log, barrier, process.world.checker.expectation(log))
    if protocol.memory_barrier:
        process.memory_reads.append(read)
    else:
        answer(process, read)


def answer_memory_reads(process: Process) -> Steps[None]:
    """Task: one barrier for all that wait, unless that of a flush has served them."""
    while True:
        yield
        if any(read.barrier > process.body.barriers_passed for read in process.memory_reads):
            yield from process.barrier()
        served = [read for read in process.memory_reads if read.barrier <= process.body.barriers_passed]
        process.memory_reads = [read for read in process.memory_reads if read.barrier > process.body.barriers_passed]
        for read in served:
            answer(process, read)


def answer(process: Process, read: MemoryRead) -> None:
    memory = process.logs[read.log]
    process.note("answers a read of log %d from memory up to %d", read.log, memory.high_water)
    rows = [row for seq, row in memory.rows.items() if seq <= memory.high_water]
    process.world.checker.memory_read(read.log, rows, read.expected)
