"""The table `heartbeat`: who seems alive. Nothing that is safe depends on it."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import structlog

from libs.cassandra import CassandraUnavailable, Session, Statement, Values, read
from libs.log_store.cassandra.schema import RING
from libs.log_store.cassandra.vocabulary import Incarnation

log = structlog.get_logger()

HEARTBEAT_SECONDS = 0.5
SUSPICION_SECONDS = 3.0
"""A heartbeat that stays the same for so long by one's own clock is that of a dead process, or of one to be fenced."""

LOOK_SECONDS = 0.25
"""How often heartbeats are looked at: how much later than it might be a death is noticed."""

_LONGEST_LOOK_SECONDS = 1.5  # between two looks; who did not look for longer was away himself, and begins anew
_FIRST_SECONDS = 3 * HEARTBEAT_SECONDS  # after which one that lives has beaten again
_EXPIRE_SECONDS = 24 * 3600
_READ = Statement("SELECT incarnation, beat, state, place, address, bus FROM ks.heartbeat WHERE ring = ?")
WRITE_HEARTBEAT = Statement(
    "INSERT INTO ks.heartbeat (ring, incarnation, beat, state, place, address, bus) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 - our own number
    f"USING TIMESTAMP ? AND TTL {_EXPIRE_SECONDS}"
)


class State(Enum):
    """What a process says of itself."""

    OWNER = "owner"
    """It has its share of the shards, or will."""
    LEAVING = "leaving"
    """It is about to stop: others ask for its shards."""
    STOPPED = "stopped"
    """It acknowledges nothing more: nobody need wait to see it silent."""


class Member(NamedTuple):
    """A process that shares the logs."""

    incarnation: Incarnation
    address: str
    """Where it is asked for its logs."""
    bus: str
    """Where it rings. Whoever rings elsewhere is not heard by the same gateways, and shares nothing with it."""


class Heart:
    """Beats for this process."""

    def __init__(self, session: Session, me: Member) -> None:
        self._session = session
        self._me = me
        self._place = place_of(os.getpid())
        self._beat = 0
        self.state = State.OWNER

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            with suppress(CassandraUnavailable):  # others see the silence; the driver logs what is the matter
                await self.beat()
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def beat(self) -> None:
        """Beat once. The number of the beat is its timestamp, too."""
        self._beat += 1
        incarnation, address, bus = self._me
        values = (RING, incarnation, self._beat, self.state.value, self._place, address, bus, self._beat)
        await self._session.write(WRITE_HEARTBEAT, [values])


class _Seen(NamedTuple):
    beat: int
    state: State
    place: str
    address: str
    bus: str
    since: float
    """When this beat was seen first, by our monotonic clock."""
    first: bool
    """No earlier beat of it was seen."""


_NEVER = _Seen(0, State.OWNER, "", "", "", 0.0, first=True)


class Watch:
    """Looks at the heartbeats of others."""

    def __init__(self, me: Member, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._me = me
        self._monotonic = monotonic
        self._seen: dict[Incarnation, _Seen] = {}
        self._looked = -_LONGEST_LOOK_SECONDS
        self._began = 0.0

    async def look(self, session: Session) -> None:
        """Look once. To be repeated at least every second: nobody is judged by what changed while we did not look.

        Raises:
            CassandraUnavailable: it could not be read.
        """
        self.saw(await read(session, _READ, (RING,)))

    def saw(self, rows: Sequence[Values]) -> None:
        """Take note of all heartbeats: incarnation, beat, state, place, address and bus of each."""
        now = self._monotonic()
        if now - self._looked > _LONGEST_LOOK_SECONDS:
            self._seen.clear()
            self._began = now
        self._looked = now
        for incarnation, beat, state, *rest in rows:
            name, number = Incarnation(str(incarnation)), int(beat or 0)
            before = self._seen.get(name)
            if name != self._me.incarnation and (before is None or before.beat != number):
                place, address, bus = (str(value or "") for value in rest)
                self._seen[name] = _Seen(number, State(state), place, address, bus, now, first=before is None)

    def is_gone(self, incarnation: Incarnation) -> bool:
        """Whether it stopped, provably died, or was silent for long enough to be fenced. Right after a `look`."""
        now = self._monotonic()
        # it has expired, or never beat
        seen = self._seen.setdefault(incarnation, _NEVER._replace(since=now))
        return seen.state is State.STOPPED or now - seen.since >= SUSPICION_SECONDS or _provably_dead(seen.place)

    def members(self) -> set[Incarnation]:
        """Those that share with us, and go on: they were seen to beat, ring where we do, and are not about to stop."""
        return {name for name, seen in self._seen.items() if self._shares(seen) and seen.state is State.OWNER}

    def shares_with_us(self, incarnation: Incarnation) -> bool:
        """Whether it was seen to beat, and rings where we do."""
        return self._shares(self._seen.get(incarnation, _NEVER))

    def knows_all(self) -> bool:
        """Whether it is known of every process if it lives. Where we have just begun to look, it is not: a living one beats again
        soon."""
        now = self._monotonic()
        return now - self._began >= _FIRST_SECONDS or not any(
            seen.first and seen.state is not State.STOPPED and not _provably_dead(seen.place)
            for seen in self._seen.values()
        )

    def rings_elsewhere(self, incarnation: Incarnation) -> bool:
        """Whether it was seen to beat, and does not ring where we do."""
        seen = self._seen.get(incarnation, _NEVER)
        return not seen.first and seen.bus != self._me.bus

    def address(self, incarnation: Incarnation) -> str:
        """Where it is asked; empty: not known."""
        return self._seen.get(incarnation, _NEVER).address

    def _shares(self, seen: _Seen) -> bool:
        silent = self._monotonic() - seen.since
        return not seen.first and seen.bus == self._me.bus and silent < SUSPICION_SECONDS


def place_of(pid: int) -> str:
    """Names a process of this machine, so that its successor here can tell that it died; empty where that cannot be told.

    The boot, the namespace of process ids, the id, and the time when the process started, as ids are used again.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = _stat(pid)[1]
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is no path
    except OSError:
        return ""
    return f"{boot} {namespace} {pid} {started}"


def _provably_dead(place: str) -> bool:
    here = place_of(os.getpid()).split()
    there = place.split()
    if len(here) != 4 or len(there) != 4 or here[:2] != there[:2]:
        return False
    try:
        state, started = _stat(int(there[2]))
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return started != there[3] or state in {"Z", "X"}


def _stat(pid: int) -> tuple[str, str]:
    """State and starting time of a process: fields 3 and 22 of proc(5), counted after the name, which may hold anything."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], fields[19]
