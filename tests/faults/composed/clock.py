"""A clock that is wrong about the time of day, as the file CLOCK says; what measures durations stays right, as it does where an
operator sets a clock, or where NTP does.

Not by libfaketime: under it Python's threads spin where they wait for each other, and a service with the driver's threads gets
nothing done (CPython 3.11, libfaketime 0.9.10). Not as Cassandra's, by `wrong_clock.c`: gRPC's threads wait until times of day.
"""

import os
import time
from pathlib import Path

from tests.faults.composed import CLOCK, FOLDER
from tests.faults.composed.root import Parts

_LOOK_SECONDS = 0.5
_real_ns = time.time_ns


class Clock:
    """In place of `time.time` and `time.time_ns`."""

    def __init__(self, says: Path) -> None:
        """`says`: a file with `+3600 x1`: seconds to be added, and the rate from now on; read again and again."""
        self._says = says
        self._said = ""
        self._looked = 0.0
        self._offset_ns = 0
        self._rate = 1.0
        self._since_ns = 0

    def time_ns(self) -> int:
        real = _real_ns()
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._look(real)
        return real + self._offset_ns + int((real - self._since_ns) * (self._rate - 1))

    def time(self) -> float:
        return self.time_ns() / 1e9

    def _look(self, real: int) -> None:
        self._looked = time.monotonic()
        said = self._says.read_text()
        if said != self._said:
            offset, rate = said.split()
            self._said, self._since_ns = said, real
            self._offset_ns, self._rate = int(offset) * 10**9, float(rate.removeprefix("x"))


def wrong_clock() -> Parts:
    """Gives a process one."""
    clock = Clock(Path(os.environ[FOLDER]) / CLOCK)
    return {(time, "time"): clock.time, (time, "time_ns"): clock.time_ns}
