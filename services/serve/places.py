"""Where a `serve` keeps its things: the data directory, the sockets, the logs, the locks that keep a second one out."""

import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import NamedTuple

from libs.runtime.errors import CannotStart

MAX_LOG_BYTES = 10 * 1024 * 1024  # two of them per service are kept: enough for days of a laptop's warnings
_LONGEST_SOCKET_NAME = len("/message_store-16.sock")
_MAX_SOCKET_PATH_BYTES = 107  # sun_path of <sys/un.h> without its final NUL
_LEFTOVERS_SECONDS = 20.0  # processes of a supervisor that was killed drain, then stop
_PORTS = range(
    20_000, 32_000
)  # below Linux's ephemeral ports: no passing connection takes one while its server restarts


class Places(NamedTuple):
    """The directories of a running `serve`, all existing, and its mark on them."""

    data: Path
    sockets: Path
    logs: Path
    lock: int
    """A descriptor for every child to inherit: the data directory stays locked until the last of them is gone."""


@contextmanager
def taken(data: Path, waiting: Callable[[str], None]) -> Iterator[Places]:
    """Make the data directory and hold it while the body runs. `waiting` is told when leftovers must be waited for.

    Raises:
        CannotStart: another `serve` uses it, or it cannot be written.
    """
    data = data.absolute()
    logs = data / "logs"
    with ExitStack() as stack:
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            logs.mkdir(exist_ok=True)
            ours = stack.enter_context(_descriptor(data / "serve.lock"))
            children = stack.enter_context(_descriptor(data / "children.lock"))
        except OSError as error:
            raise CannotStart(f"cannot use the data directory {data}: {error.strerror}") from error
        if not _locked(ours):
            raise CannotStart(f"another `tertulia serve` uses {data}; stop it, or choose another directory with --data")
        _wait_for_leftovers(children, data, waiting)
        sockets = stack.enter_context(_socket_directory(data))
        yield Places(data, sockets, logs, children)


@contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_leftovers(children: int, data: Path, waiting: Callable[[str], None]) -> None:
    if _locked(children):
        return
    waiting("waiting for the processes of a `tertulia serve` that was killed to stop")
    deadline = time.monotonic() + _LEFTOVERS_SECONDS
    while not _locked(children):
        if time.monotonic() > deadline:
            raise CannotStart(f"processes of an earlier `tertulia serve` still use {data}; stop them first")
        time.sleep(0.1)


@contextmanager
def _socket_directory(data: Path) -> Iterator[Path]:
    """`run` in the data directory; where its path is too long for a socket's, a temporary one."""
    run = data / "run"
    if len(os.fsencode(run)) + _LONGEST_SOCKET_NAME <= _MAX_SOCKET_PATH_BYTES:
        run.mkdir(mode=0o700, exist_ok=True)
        yield run
        return
    short = Path(tempfile.mkdtemp(prefix="tertulia-"))
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)


def bound_log(path: Path) -> None:
    """If a log has grown too large, move what is in it to `{path}.1` in place of what is there.

    The file is copied and cut, not renamed: its writer, who appends, has it open. Lines written in between are lost, and all
    of them where the disk has no room for the copy.
    """
    with suppress(FileNotFoundError):
        if path.stat().st_size > MAX_LOG_BYTES:
            with suppress(OSError):
                shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)


def require_free(port: int, option: str) -> None:
    """Make sure that a port of loopback, given by an option of the command, can be listened on.

    Raises:
        CannotStart: it cannot.
    """
    if not _free(port):
        raise CannotStart(
            f"127.0.0.1:{port} is taken by another process; stop it, or choose another port with {option} (0: any)"
        )


def free_port() -> int:
    """A port of loopback that nobody listens on, and that nobody is likely to take while its server restarts."""
    return next(port for port in iter(lambda: SystemRandom().choice(_PORTS), None) if _free(port))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a dead server do not matter
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
