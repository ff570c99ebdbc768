"""Overlays, and the mark that never passes an event whose overlays are not durable.

Readings taken:
- The overlay of an edit is its text beside the target, and the seqs of all edits of the target: from there, and from nowhere
  else, a deletion knows which to blank. Those of a deletion are the column `deleted` of the target, its blanked texts, and the
  blanked body of every edit event of that target. The adapter calls what blanks *redactions*, and all of it *amendments*.
- Reactions, replies and mentions follow from their events as edits do, and are not modelled.
- A deletion of what is deleted already is refused, like an edit. (The owner answers it with the first one's seq.)
- A mark is sent once and not waited for, except at a handover: a lost mark only makes others read more.
"""

from tests.model.process import LogMemory, Process
from tests.model.replicas import Write
from tests.model.rows import erase_ghosts, write_overlay
from tests.model.vocabulary import Kind, Seq, Steps


def overlay_writes(process: Process, memory: LogMemory, seq: Seq) -> list[Write]:
    """Write the overlays of the event at `seq`, to the database and to memory; none for a message."""
    cause = memory.rows[seq]
    event = cause.event
    target = memory.rows.get(event.target or 0)
    if target is None:
        return []
    if event.kind is Kind.EDIT:
        target.edited = memory.rows[seq].body
        target.edits = tuple(sorted({*target.edits, seq}))
        edits = " ".join(map(str, target.edits))
        return [write_overlay(process, memory.log, target, {"edited": target.edited, "edits": edits}, cause)]
    target.deleted, target.body, target.edited = True, "", ""
    writes = [write_overlay(process, memory.log, target, {"deleted": "deleted", "body": "", "edited": ""}, cause)]
    if process.world.protocol.ghosts_erased:
        writes += erase_ghosts(process, memory.log, memory.chain)
    if process.world.protocol.edit_events_blanked:
        for edit in (memory.rows[edit_seq] for edit_seq in target.edits if edit_seq in memory.rows):
            edit.body = ""
            writes.append(write_overlay(process, memory.log, edit, {"body": ""}, cause))
    return writes


def write_due_overlays(process: Process) -> Steps[None]:
    """Task: write overlays of events below the high-water mark, and acknowledge these when they are durable."""
    checker, protocol = process.world.checker, process.world.protocol
    look = process.world.network.look
    while True:
        yield
        for memory in process.logs.values():
            for seq, due in list(memory.due_overlays.items()):
                if not due.writes:
                    due.writes = overlay_writes(process, memory, seq)
                    if not protocol.overlays_awaited:
                        checker.acknowledge(due.pending.operation, seq, due.pending.window)
                due.writes = [write for write in due.writes if not look(write)]
                if not due.writes:
                    del memory.due_overlays[seq]
                    memory.undurable_overlays.discard(seq)
                    process.note("has durable overlays of log %d seq %d", memory.log, seq)
                    checker.acknowledge(due.pending.operation, seq, due.pending.window)


def mark_writes(process: Process) -> list[Write]:
    """The mark of every log in which it moved."""
    world = process.world
    writes: list[Write] = []
    for memory in process.logs.values():
        mark = memory.high_water
        if world.protocol.mark_below_overlays and memory.undurable_overlays:
            mark = min(mark, min(memory.undurable_overlays) - 1)
        if not world.protocol.mark_below_high_water:
            mark = memory.next_seq - 1
        if mark > memory.marked:
            memory.marked = mark
            process.note("marks log %d at %d", memory.log, mark)
            writes.append(world.network.write(world.tables.log_mark, memory.log, {None: (mark, mark)}))
    return writes


def write_marks(process: Process) -> Steps[None]:
    """Task: write marks now and then."""
    while True:
        yield
        if process.world.rng.random() < process.world.schedule.mark:
            mark_writes(process)
