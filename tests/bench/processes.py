"""CPU time and memory of processes, from /proc."""

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # of the fields of /proc/<pid>/stat after the name; see proc(5)

Pids = Mapping[str, int]


def cpu_seconds_of(stat: str) -> float:
    """User and system time in the text of /proc/<pid>/stat: of all threads, ended ones too, but not of child processes."""
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_SECOND


def cpu(pids: Pids) -> dict[str, float]:
    """CPU seconds of each process so far.

    Raises:
        FileNotFoundError: one has ended.
    """
    return {name: cpu_seconds_of(Path(f"/proc/{pid}/stat").read_text("utf-8")) for name, pid in pids.items()}


def busy_seconds() -> float:
    """CPU seconds that the machine did not idle so far."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)  # guests count as user, too


def memory(pids: Pids) -> dict[str, float]:
    """Resident memory of each process, in KiB.

    Raises:
        FileNotFoundError: one has ended.
    """
    return {name: _resident(Path(f"/proc/{pid}/status").read_text("utf-8")) for name, pid in pids.items()}


def _resident(status: str) -> float:
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(line.split()[1])


def difference(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}
