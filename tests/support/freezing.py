"""A process that stands still: SIGSTOP, and what it leaves open."""

import os
import signal

from tests.support.ports import until


async def freeze(pid: int) -> None:
    """Stop a child process; return when it stands still.

    The signal is sent in an instant, but a thread stops when the kernel gets to it: until the last one has, and a JVM has a
    hundred, the process may still answer. Its parent is told then.

    Raises:
        AssertionError: it did not within 20 s.
        ChildProcessError: no child of this process, or it has ended.
    """
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: _stands_still(pid), f"process {pid} stands still")


def _stands_still(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
