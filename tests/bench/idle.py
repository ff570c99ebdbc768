"""What an idle session takes in memory: row W4."""

import asyncio
import time

from tests.bench.job import Job, Outcome
from tests.bench.ledger import Ledger
from tests.bench.processes import difference, memory
from tests.bench.rooms import crossed, make_rooms
from tests.bench.sessions import open_sessions

_SESSIONS = 3_000
_FIRST = 50  # what the first sessions make a server load and remember is not theirs
_SETTLE_SECONDS = 2.0


async def idle(job: Job) -> Outcome:
    """Everybody is in one room of ten, and online; nobody says anything. `sessions` and `kib.<process>` are counted."""
    begun = time.perf_counter()
    people = [f"{job.prefix}-{number:05}" for number in range(job.size or _SESSIONS)]
    await make_rooms(job.address, crossed(people, rooms_per_user=1, members=10, prefix=f"{job.prefix}-room"))
    ledger = Ledger()
    for session in await open_sessions(job.address, people[:_FIRST], ledger, job.per_connection):
        session.close()
    await asyncio.sleep(_SETTLE_SECONDS)
    before = memory(job.pids)
    sessions = await open_sessions(job.address, people, ledger, job.per_connection)
    await asyncio.sleep(_SETTLE_SECONDS)
    grown = difference(memory(job.pids), before)
    for session in sessions:
        session.close()
    return Outcome(
        seconds=time.perf_counter() - begun,
        counts={"sessions": len(sessions), **{f"kib.{name}": kib for name, kib in grown.items()}},
        faults=ledger.judge([]),
    )
