"""Stopping with the process that started us."""

import ctypes
import os
import signal
import sys

from libs.runtime.errors import CannotStart

PARENT_DEATH_VARIABLE = "TERTULIA_STOP_WITH_PARENT"
"""Set by a supervisor to its own pid: the process is to get SIGTERM when that one dies, however it dies."""

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def stop_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its supervisor dies, if one asked for it; it outlasts an exec.

    Elsewhere than on Linux: nothing.

    Raises:
        CannotStart: the supervisor is dead already.
    """
    supervisor = os.environ.get(PARENT_DEATH_VARIABLE)
    if not supervisor or sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor):  # it died before the kernel knew of the wish
        raise CannotStart(f"the supervisor, process {supervisor}, is gone")
