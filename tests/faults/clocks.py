"""Nemeses on clocks: processes that are wrong about the time of day. What measures durations stays right, as it does where an operator
sets a clock, or where NTP does."""

import random
import shutil
import subprocess
from pathlib import Path

from tests.faults.composed import CLOCK
from tests.faults.nemeses import Calm
from tests.faults.stack import FaultStack, Shape

_COMPILER = "cc"
_SOURCE = Path(__file__).with_name("wrong_clock.c")
_STEPS = ("+3600 x1", "-3600 x1", "+0 x2", "+0 x0.5")  # seconds to be added, and the rate from then on


class Clocks(Calm):
    """The clocks of some services jump by an hour, forward and back, or run at half or at double rate."""

    def __init__(self, *of: str) -> None:
        super().__init__(f"clocks of {' and '.join(of)}", hold_seconds=3.0)
        self._of = of
        self._says = Path()

    def prepare(self, folder: Path) -> None:
        self._says = folder / CLOCK
        self._says.write_text("+0 x1")
        self.shape = Shape(composed=dict.fromkeys(self._of, "wrong clock"))

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del stack
        scratch = self._says.with_suffix(".new")
        scratch.write_text(rng.choice(_STEPS))
        scratch.rename(self._says)


class ClockOfCassandra(Clocks):
    """That of the nodes, by a library that is loaded into them."""

    def __init__(self) -> None:
        super().__init__("cassandra")

    def prepare(self, folder: Path) -> None:
        super().prepare(folder)
        library = folder / "wrong_clock.so"
        compiler = shutil.which(_COMPILER)
        assert compiler is not None, "`missing` says so"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, _SOURCE], check=True)
        self.shape = Shape(environment={"cassandra": {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(self._says)}})

    def missing(self) -> str | None:
        return None if shutil.which(_COMPILER) else "needs a C compiler"
