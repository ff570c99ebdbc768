"""What a load generator is told and what it tells; and the meter that it measures with."""

import gc
import os
import sys
import time
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from tests.bench.processes import busy_seconds, cpu, difference

_LONGEST_US = 60_000_000
_DIGITS = 3
_PACE_STEPS = 200_000
GENERATOR = "generator"
"""The generator's own name among the processes."""


@dataclass(frozen=True)
class Job:
    """What a generator is to do."""

    row: str
    address: str
    """Of the gateways, with commas between."""
    pids: dict[str, int]
    """The server processes, by name."""
    seconds: float
    """How long messages are sent, or pages asked for."""
    per_connection: int
    """How many sessions share a connection."""
    size: int = 0
    """Of rows that are measured at several sizes; 0: as the table says."""

    @property
    def prefix(self) -> str:
        """Begins the names of this job's users and rooms, which no other job on the same servers has."""
        return f"{self.row}-{self.size}"


@dataclass
class Outcome:
    """What a generator found."""

    seconds: float = 0.0
    """From the first message to the last delivery."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of each server process and of the generator within that time."""
    machine_cpu: float = 0.0
    """CPU seconds that everything on the machine used within that time, other people's work included."""
    pace_ms: float = 0.0
    """CPU milliseconds that a loop took which is always the same: it tells a slow machine from slow servers. 0: not measured."""
    counts: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, str] = field(default_factory=dict)
    """Latencies in µs, as HdrHistogram encodes them."""
    faults: list[str] = field(default_factory=list)
    """What was not as promised. Empty: everything was."""


class Meter:
    """Measures what happens in its `with` block: seconds, and CPU seconds of the servers, this process and the machine."""

    def __init__(self, job: Job, outcome: Outcome) -> None:
        self._job = job
        self._pids = {**job.pids, GENERATOR: os.getpid()}
        self._outcome = outcome

    def __enter__(self) -> None:
        names = " ".join(f"{name}={pid}" for name, pid in self._job.pids.items())
        print(f"measuring {self._job.row} of {names}", file=sys.stderr, flush=True)  # the moment to attach a profiler
        self._pace_ms = pace_ms()
        gc.collect()
        gc.freeze()
        gc.disable()  # the generator's own pauses must not pass for the servers'
        self._machine = busy_seconds()
        self._before = cpu(self._pids)
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._outcome.seconds = time.perf_counter() - self._begun
        self._outcome.cpu = difference(cpu(self._pids), self._before)
        self._outcome.machine_cpu = busy_seconds() - self._machine
        gc.enable()
        self._outcome.pace_ms = (self._pace_ms + pace_ms()) / 2


def pace_ms() -> float:
    """How long the loop takes now."""
    begun = time.thread_time()
    total = 0
    for number in range(_PACE_STEPS):
        total += number
    return (time.thread_time() - begun) * 1_000


def new_histogram() -> HdrHistogram:
    """For microseconds up to a minute, to three digits."""
    return HdrHistogram(1, _LONGEST_US, _DIGITS)


def encoded(histogram: HdrHistogram) -> str:
    """A histogram as text."""
    text: bytes = histogram.encode()
    return text.decode()


def decoded(text: str) -> HdrHistogram:
    return HdrHistogram.decode(text.encode())
