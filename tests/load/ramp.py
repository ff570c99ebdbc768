"""More and more people, until something is no longer as it should be."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import psutil

from tests.bench.job import Job, Meter, Outcome
from tests.bench.ledger import Ledger
from tests.bench.load import Paced, in_turn, settled
from tests.bench.processes import memory
from tests.bench.rooms import crossed, make_rooms
from tests.bench.sessions import open_sessions
from tests.load.system import MEMORY_BYTES, System

MAX_ERRORS = 0.000_25
MAX_P99_SECONDS = 2.0
MAX_SHARE = 0.85
"""Of the machine's CPU, and of a container's memory."""

_ROOM = 10
_SECONDS_PER_MESSAGE = 5.0  # of each person: a lively room says two things a second
_PER_CONNECTION = 50
_FIRST = 100
_GROWTH = 2


class Level(NamedTuple):
    """How so many people fared."""

    people: int
    sends: int
    deliveries: int
    errors: float
    """Of sends, the share that was refused, lost, doubled or never answered."""
    p99_seconds: float
    """Of deliveries, from when the message was to be sent."""
    cpu: float
    """Share of the machine, the generator's own included."""
    memory: float
    """Share of its limit that the fullest container used."""
    faults: list[str]

    def broken(self) -> list[str]:
        """The limits that it passed."""
        passed = {
            f"errors {self.errors:.3%}": self.errors > MAX_ERRORS,
            f"p99 {self.p99_seconds:.2f} s": self.p99_seconds > MAX_P99_SECONDS,
            f"CPU {self.cpu:.0%}": self.cpu > MAX_SHARE,
            f"memory {self.memory:.0%}": self.memory > MAX_SHARE,
        }
        return [limit for limit, is_passed in passed.items() if is_passed]


async def ramp(system: System, seconds: float, largest: int) -> AsyncIterator[Level]:
    """Level by level, twice as many each time; the last one is that which broke a limit, or the largest."""
    people = _FIRST
    while people <= largest:
        reached = await level(system, people, seconds)
        yield reached
        if reached.broken():
            return
        people *= _GROWTH


async def level(system: System, people: int, seconds: float) -> Level:
    """Everybody online in two rooms of ten, where they speak in turn."""
    job = Job("ramp", system.address, system.pids(), seconds, _PER_CONNECTION, people)
    names = [f"{job.prefix}-{number:05}" for number in range(people)]
    rooms = crossed(names, rooms_per_user=2, members=_ROOM, prefix=f"{job.prefix}-room")
    await make_rooms(system.address, rooms)
    ledger = Ledger()
    gateways = system.address.split(",")
    sessions = [
        session
        for turn, address in enumerate(gateways)
        for session in await open_sessions(address, names[turn :: len(gateways)], ledger, _PER_CONNECTION)
    ]
    for session in sessions:
        for log, cursor in session.cursors.items():
            ledger.begin(log, cursor)
    outcome = Outcome()
    with Meter(job, outcome):
        turns = in_turn(sessions, list(rooms.items()))
        await Paced(turns, people / _SECONDS_PER_MESSAGE).run(sessions, seconds)
        await settled(ledger, sessions)
    faults = ledger.judge(item for session in sessions for item in session.cursors.items())
    fullest = max(memory(system.pids()).values()) * 1024
    for session in sessions:
        session.close()
    return Level(
        people,
        ledger.acks,
        ledger.deliveries,
        ledger.fault_count / max(1, ledger.acks + ledger.open_sends),
        ledger.delivery_latency().get_value_at_percentile(99) / 1e6,
        outcome.machine_cpu / outcome.seconds / (psutil.cpu_count() or 1),
        fullest / MEMORY_BYTES,
        faults,
    )
