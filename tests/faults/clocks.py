"""Nemeses on clocks: processes that are wrong about the time of day. What measures durations stays right, as it does where an operator
sets a clock, or where NTP does."""

import random
from pathlib import Path

from tests.faults.composed import CLOCK
from tests.faults.nemeses import Calm
from tests.faults.stack import FaultStack, Shape

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1")
_STEPS = ("+3600 x1", "-3600 x1", "+0 x2", "+0 x0.5")  # seconds, and a rate; as libfaketime has it


class Clocks(Calm):
    """The clocks of some services jump by an hour, forward and back, or run at half or at double rate."""

    def __init__(self, *services: str) -> None:
        shape = Shape(composed=dict.fromkeys(services, "wrong clock"))
        super().__init__(f"clocks of {' and '.join(services)}", shape, hold_seconds=3.0)
        self._says = Path()

    def prepare(self, folder: Path) -> None:
        self._says = folder / CLOCK
        self._says.write_text("+0 x1")

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del stack
        scratch = self._says.with_suffix(".new")
        scratch.write_text(rng.choice(_STEPS))
        scratch.rename(self._says)


class ClockOfCassandra(Clocks):
    """That of the nodes, by libfaketime."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "clocks of cassandra"

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        self.shape = Shape(environment={"cassandra": _lied_to(self._says)})

    def missing(self) -> str | None:
        return None if _library() else "needs libfaketime"


def _library() -> Path | None:
    return next((path for pattern in _LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))), None)


def _lied_to(says: Path) -> dict[str, str]:
    """The environment of a process whose clock is what a file says, read again each second."""
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(says),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
