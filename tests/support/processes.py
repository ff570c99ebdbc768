"""The processes that a test started."""

import psutil


def running_children(words: str) -> list[psutil.Process]:
    """The children of this process that run and have `words` in their command line.

    What has ended and waits to be asked for its exit code, as another test's may for a moment, has no command line.
    """
    return [child for child in psutil.Process().children() if words in " ".join(_command_line(child))]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one of these
        return []
