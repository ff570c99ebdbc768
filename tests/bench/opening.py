"""What it costs to open a session, in an application of many channels: one of the rows that show cost against size."""

from tests.bench.job import Job, Meter, Outcome
from tests.bench.ledger import Ledger
from tests.bench.rooms import make_rooms
from tests.bench.sessions import open_sessions

_SESSIONS = 200
_CHANNELS = 100
_ROOMS_PER_USER = 5
_MEMBERS = 10


async def opening(job: Job) -> Outcome:
    """`Job.size` channels, in which tens of people share five each; 200 people come online, in 100 of the channels."""
    channels = job.size or _CHANNELS
    people = [f"{job.prefix}-{number:06}" for number in range(channels * _MEMBERS // _ROOMS_PER_USER)]
    # who comes online shares channels with as many others at every size, so that only the size differs
    rooms = {
        f"{job.prefix}-{turn}-{start}": people[start : start + _MEMBERS]
        for turn in range(_ROOMS_PER_USER)
        for start in range(0, len(people), _MEMBERS)
    }
    await make_rooms(job.address, rooms)
    ledger = Ledger()
    outcome = Outcome()
    with Meter(job, outcome):
        sessions = await open_sessions(job.address, people[:_SESSIONS], ledger, job.per_connection)
    for session in sessions:
        session.close()
    outcome.counts = {"sessions": len(sessions)}
    outcome.faults = ledger.judge([])
    return outcome
