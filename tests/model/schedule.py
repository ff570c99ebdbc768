"""How likely each misfortune is. All schedules are biased towards late writes; the others add one more bias.

Every schedule is also run with nothing removed from the protocol: a bias must not be a way to blame the right protocol.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Schedule:
    """Chances are between 0 and 1; the fields of the last block are weights of what happens in a tick."""

    name: str
    ticks: int = 2000
    window_ticks: int = 150  # a window of `dirty`; logs written before the last one are recovered lazily

    # A write, on its way to one replica. What is neither soon nor late is lost.
    write_soon: float = 0.62
    write_late: float = 0.25
    late_lands: float = 0.06  # in a tick of delivery, a late write lands instead of a recent one
    patience: int = 4  # looks at a write before its writer takes it as timed out and repeats it

    # A CAS. What is none of these is lost, and its sender learns of none but the first.
    cas_clear: float = 0.75
    cas_answer_lost: float = 0.08
    cas_late: float = 0.12
    late_cas_meets_owner: float = 0.0  # a late CAS that is applied is one that expects the present owner
    cas_steps: int = 4  # the longest way of a CAS to the replicas, and of its answer back
    answer_arrives: float = 0.3  # an heir that is answered hears it, before it looks into the table again

    # Processes.
    suspicion: float = 0.01  # a waiting process takes the owner's heartbeat for stale
    serving_runs: float = 0.5  # a step goes to the process that serves since last; others, stale owners too, are slow
    pause: float = 0.01  # a process pauses instead of making a step
    pause_ticks: int = 400  # the longest pause
    handover: float = 0.02  # an idle owner starts a planned handover
    mark: float = 0.3  # a step of the task that writes marks writes them
    handed_back: float = 0.3  # a process that handed the shard over is a candidate to get it again
    processes: int = 5  # alive at one time

    # Clients.
    operations: int = 18
    sends: float = 0.1  # of a client's turns
    retries: float = 0.45  # of a client's turns; in the rest a request arrives
    not_a_message: float = 0.7  # a new operation is an edit or a deletion, if there is an acknowledged message
    deletion: float = 0.6
    without_after_seq: float = 0.15
    to_newest: float = 0.6  # a request goes to the newest serving process, not to any that believes it serves

    # What happens in a tick.
    start: float = 0.6
    crash: float = 0.05
    deliver: float = 45
    client: float = 20
    history_begins: float = 1.2
    history_goes_on: float = 6
    head_read: float = 3
    late_cas: float = 1.8
    step: float = 70


LATE_WRITES = Schedule("late-writes")
BURSTS = replace(
    LATE_WRITES, name="bursts", sends=0.6, retries=0.2, operations=30, client=30, not_a_message=0.2, patience=15
)
TAKEOVERS = replace(LATE_WRITES, name="takeovers", suspicion=0.05, start=0.9, processes=7, pause=0.02, pause_ticks=200)
PAUSES = replace(LATE_WRITES, name="pauses", ticks=3000, pause_ticks=1500, suspicion=0.03, client=40, head_read=25)
DELETIONS = replace(
    LATE_WRITES,
    name="deletions",
    sends=0.15,
    operations=24,
    not_a_message=0.85,
    deletion=0.45,
    head_read=6,
    history_begins=3,
    history_goes_on=40,
    patience=20,
    mark=0.8,
)
HANDOVERS = replace(
    LATE_WRITES,
    name="handovers",
    ticks=4000,
    window_ticks=20,
    cas_clear=0.6,
    cas_late=0.4,
    cas_answer_lost=0.0,
    cas_steps=10,
    late_cas=5,
    late_cas_meets_owner=0.9,
    suspicion=0.03,
    serving_runs=0.3,
    pause=0.002,
    handover=0.1,
    handed_back=0.9,
    start=1,
    crash=0,
    processes=4,
    operations=40,
    client=30,
    deliver=60,
)
SLOW_CAS = replace(
    HANDOVERS,
    name="slow-cas",
    ticks=2500,
    cas_clear=0.9,
    cas_late=0.05,
    cas_steps=100,
    suspicion=0.001,
    serving_runs=0,
    pause=0.001,
    handed_back=0.3,
    start=0.5,
    client=50,
    head_read=20,
    step=120,
)

SCHEDULES = {
    schedule.name: schedule for schedule in (LATE_WRITES, BURSTS, TAKEOVERS, PAUSES, DELETIONS, HANDOVERS, SLOW_CAS)
}
