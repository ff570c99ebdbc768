"""Nemeses on clocks: by libfaketime, which lies to a process about the time of day. What measures durations stays right, as it
does where an operator sets a clock, or where NTP does."""

import random
from pathlib import Path

from tests.faults.nemeses import Calm
from tests.faults.stack import FaultStack, Shape

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1")
_HOUR_SECONDS = 3600


def _library() -> Path | None:
    return next((path for pattern in _LIBRARIES for path in Path("/").glob(pattern.lstrip("/"))), None)


def lied_to(says: Path) -> dict[str, str]:
    """The environment of a process whose clock is what a file says, read again each second."""
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(says),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


class Clocks(Calm):
    """The clocks of some services, or of Cassandra, jump by an hour, forward and back, or run at half or at double rate."""

    def __init__(self, *services: str) -> None:
        super().__init__(f"clocks of {' and '.join(services)}", hold_seconds=3.0)
        self._services = services
        self._says = Path()
        self._steps = [f"+{_HOUR_SECONDS}", f"-{_HOUR_SECONDS}", "+0 x2.0", "+0 x0.5"]

    def prepare(self, folder: Path) -> None:
        self._says = folder / "clock"
        self._says.write_text("+0")
        lie = lied_to(self._says)
        self.shape = Shape(environment=dict.fromkeys(self._services, lie))

    def missing(self) -> str | None:
        return None if _library() else "needs libfaketime"

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del stack
        scratch = self._says.with_suffix(".new")
        scratch.write_text(rng.choice(self._steps))
        scratch.rename(self._says)
