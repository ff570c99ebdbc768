"""The safety steps of §4, each of which can be removed; and how soon the checker must notice its absence.

What stands beside a step says what goes wrong without it, on which schedule this is looked for and within how many
seeds, counted from seed 0, a violation must be found. `python -m tests.model --seeds N --table` measures it again.
The bounds are some five times the mean distance of violations as measured over 400 seeds, rounded up: a harmless change
of the model, which draws other chances for the same seeds, should not make its test fail.

Of `cas_on_epoch` no reader was seen to suffer: in 10,000 seeds without it, with 2,300 CAS applied that it refuses and
epochs set back 800 times, no checked invariant broke, since the owner condition and the fence remain. What breaks,
within a few seeds, is what the other steps rest on: an epoch counts one takeover, each (seq, epoch) is bound for ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Annotated, Final, get_type_hints

from tests.model.schedule import BURSTS, DELETIONS, HANDOVERS, LATE_WRITES, PAUSES, SLOW_CAS, TAKEOVERS, Schedule


@dataclass(frozen=True, slots=True)
class Needed:
    """Why a step is needed, within how many seeds a test shows it, and on which schedule."""

    without_it: str
    within: int
    on: Schedule = LATE_WRITES


@dataclass(frozen=True, slots=True)
class Protocol:
    """The steps that are kept. As constructed it is §4 whole."""

    # Append
    append_durable: Annotated[bool, Needed("one replica's word is lost with it", 50)] = True
    append_contiguous: Annotated[
        bool, Needed("a takeover's contiguous run ends before the acknowledged row", 300, BURSTS)
    ] = True
    timed_out_seq_kept: Annotated[
        bool, Needed("the row that timed out lands where its seq was given to another", 50)
    ] = True
    append_barrier: Annotated[
        bool, Needed("a stale owner acknowledges rows that the new one never saw", 50, HANDOVERS)
    ] = True
    barrier_after_writes: Annotated[
        bool, Needed("the fence and the takeover fit between the barrier and the write", 100, HANDOVERS)
    ] = True
    dirty_awaited: Annotated[bool, Needed("a consumer of the window's dirty logs is not told of the log", 300)] = True

    # Takeover
    fence: Annotated[bool, Needed("the old owner's barriers pass for ever", 50)] = True
    fence_awaited: Annotated[bool, Needed("a barrier passes after the takeover", 100, HANDOVERS)] = True
    fence_never_unset: Annotated[bool, Needed("a slow old owner finds itself unfenced", 50)] = True
    cas_on_epoch: Annotated[
        bool, Needed("a late CAS meets its owner again at a later epoch: epochs repeat", 100, HANDOVERS)
    ] = True
    cas_on_owner: Annotated[bool, Needed("who got the shard by handover was never fenced", 300, HANDOVERS)] = True
    unclear_cas_resolved: Annotated[bool, Needed("two processes believe that they own an epoch", 100)] = True
    chain_linked: Annotated[
        bool, Needed("the late seal of an epoch that nobody continued is followed", 500, TAKEOVERS)
    ] = True
    stale_owner_exits: Annotated[bool, Needed("it seals again in an epoch that is linked to: a cycle", 1000)] = True
    rows_repaired: Annotated[
        bool, Needed("rows read from one replica are sealed in and then not found", 300, TAKEOVERS)
    ] = True
    linked_seal_repaired: Annotated[
        bool, Needed("the link points to a seal that a quorum may not show", 300, DELETIONS)
    ] = True
    repair_awaited: Annotated[bool, Needed("the seal is durable before the rows below it", 1000, TAKEOVERS)] = True
    seal_awaited: Annotated[bool, Needed("acknowledged rows are in no chained epoch", 100)] = True
    recovery_barrier: Annotated[
        bool, Needed("a stale owner publishes a tail that the new one sealed off", 1000, TAKEOVERS)
    ] = True
    tail_rebuilt: Annotated[bool, Needed("a retry after a takeover gets a second seq", 100)] = True

    # Overlays
    overlays_below_high_water: Annotated[
        bool, Needed("the overlay of an event that never got into the log stays", 50)
    ] = True
    overlays_awaited: Annotated[bool, Needed("an acknowledged deletion is not yet to be seen", 300, DELETIONS)] = True
    overlays_reapplied: Annotated[bool, Needed("the overlays died with the owner, their event did not", 50)] = True
    overlays_reapplied_from_mark: Annotated[
        bool, Needed("those above the mark, but of an epoch before the newest, are forgotten", 100)
    ] = True
    reapplied_overlays_awaited: Annotated[
        bool, Needed("the new owner's mark passes them, or its retry is answered", 300)
    ] = True
    edit_after_deletion_refused: Annotated[bool, Needed("the later edit's overlay wins over the blanking", 50)] = True
    edit_events_blanked: Annotated[bool, Needed("the text is still in the edit's row", 50, DELETIONS)] = True
    ghosts_erased: Annotated[
        bool, Needed("deleted text comes to rest in a row of an epoch that was over", 3000, TAKEOVERS)
    ] = True
    ghosts_erased_after_barrier: Annotated[
        bool, Needed("who took over after this one, and did not see its seal, has kept what it erases", 1500, TAKEOVERS)
    ] = True
    seq_timestamps: Annotated[
        bool, Needed("clocks differ: a late rewrite or an old edit wins over a blanking", 100, DELETIONS)
    ] = True

    # Mark
    mark_below_high_water: Annotated[bool, Needed("readers and takeovers trust rows that are not durable", 50)] = True
    mark_below_overlays: Annotated[
        bool, Needed("a takeover does not apply again what lies below the mark", 500, DELETIONS)
    ] = True

    # Handover
    handover_drained: Annotated[bool, Needed("two incarnations write one (seq, epoch)", 500, HANDOVERS)] = True
    handover_final: Annotated[bool, Needed("the CAS is applied after its sender resumed", 100, HANDOVERS)] = True
    late_answers_dropped: Annotated[
        bool, Needed("an heir serves what it has given away since, and nobody fences it", 500, HANDOVERS)
    ] = True
    handover_reads_stopped: Annotated[
        bool, Needed("nobody fences a process that handed over: its barrier passes", 300, SLOW_CAS)
    ] = True

    # Read
    mark_before_chain: Annotated[bool, Needed("the mark is of an epoch that the chain does not know", 100)] = True
    history_below_mark: Annotated[bool, Needed("rows are shown that a takeover will not find", 500)] = True
    memory_barrier: Annotated[bool, Needed("a stale owner shows deleted text or an old head", 50, PAUSES)] = True
    memory_barrier_after_arrival: Annotated[
        bool, Needed("the barrier joined was begun before the takeover", 300, PAUSES)
    ] = True

    # Once
    after_seq_on_first_try: Annotated[
        bool, Needed("the first try arrives after its retry was answered, beyond the tail", 100, BURSTS)
    ] = True
    after_seq_scanned: Annotated[bool, Needed("a retry from beyond the remembered tail gets a second seq", 50)] = True
    pending_retry_waits: Annotated[bool, Needed("the retry is acknowledged before the row is durable", 50)] = True


WHOLE: Final = Protocol()
STEPS: Final = tuple(step.name for step in fields(Protocol))


def without(steps: Iterable[str]) -> Protocol:
    return replace(WHOLE, **dict.fromkeys(steps, False))


def needed(step: str) -> Needed:
    """What `Protocol` says of a step."""
    said: Needed = get_type_hints(Protocol, include_extras=True)[step].__metadata__[0]
    return said
