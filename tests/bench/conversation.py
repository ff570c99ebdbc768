"""People in rooms, all online, some of whom speak: rows W1, W2 and W3."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from tests.bench.job import Job, Meter, Outcome, encoded
from tests.bench.ledger import Ledger
from tests.bench.load import Paced, Turns, Windowed, in_turn, settled
from tests.bench.rooms import crossed, make_rooms
from tests.bench.sessions import Session, open_sessions

Rooms = Mapping[str, Sequence[str]]


class Load(Protocol):
    """A way to send; see `load`."""

    async def run(self, sessions: Sequence[Session], seconds: float) -> None: ...


LoadOf = Callable[[Turns], Load]


async def hall(job: Job, members: int, load_of: LoadOf) -> Outcome:
    """One room, in which one member speaks."""
    people = [f"{job.prefix}-{number:05}" for number in range(members)]
    return await converse(job, {f"{job.prefix}-hall": people}, speakers=1, load_of=load_of)


async def house(job: Job, load_of: LoadOf) -> Outcome:
    """500 rooms of 10, in which everybody speaks in turn; 1,000 people, each in 5 of them."""
    people = [f"{job.prefix}-{number:04}" for number in range(1_000)]
    rooms = crossed(people, rooms_per_user=5, members=10, prefix=f"{job.prefix}-room")
    return await converse(job, rooms, speakers=10, load_of=load_of)


async def converse(job: Job, rooms: Rooms, speakers: int, load_of: LoadOf) -> Outcome:
    """Send as the load says, with so many speakers a room, until every reader has everything."""
    await make_rooms(job.address, rooms)
    people = sorted({person for members in rooms.values() for person in members})
    ledger = Ledger()
    sessions = await open_sessions(job.address, people, ledger, job.per_connection)
    for session in sessions:
        for log, cursor in session.cursors.items():
            ledger.begin(log, cursor)
    load = load_of(in_turn(sessions, [(room, members[:speakers]) for room, members in rooms.items()]))
    outcome = Outcome()
    with Meter(job, outcome):
        await load.run(sessions, job.seconds)
        await settled(ledger, sessions)
    outcome.faults = ledger.judge(item for session in sessions for item in session.cursors.items())
    for session in sessions:
        session.close()
    outcome.counts = {"deliveries": ledger.deliveries, "sends": ledger.acks}
    outcome.histograms = {"delivery": encoded(ledger.delivery_latency()), "ack": encoded(ledger.ack_latency)}
    return outcome


def in_a_hall(members: int, load_of: LoadOf) -> Callable[[Job], Awaitable[Outcome]]:
    """A row. `Job.size`, where it is set, says how many members there are instead."""
    return lambda job: hall(job, job.size or members, load_of)


def in_a_house(load_of: LoadOf) -> Callable[[Job], Awaitable[Outcome]]:
    """A row."""
    return lambda job: house(job, load_of)


def windowed(window: int, *, joined: bool) -> LoadOf:
    return lambda turns: Windowed(turns, window, joined=joined)


def paced(per_second: float) -> LoadOf:
    return lambda turns: Paced(turns, per_second)
