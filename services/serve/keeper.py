"""Keeps one process running."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from libs.runtime.errors import CannotStart
from libs.runtime.parent import PARENT_DEATH_VARIABLE
from services.serve.places import bound_log
from services.serve.ready import Ready

_START_SECONDS = 30.0  # a cold disk and a busy machine; usually it takes less than one
_LOOK_SECONDS = 0.03
_WAITING_SECONDS = 3.0  # it may wait for a moment without anybody's being told
_STOP_SECONDS = 15.0  # a service drains for less; what is still there then is killed
_BACKOFF_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # waits before the first, second … restart in a row
_STEADY_SECONDS = 10.0  # who ran for so long begins with the first wait again
_LAST_WORDS = 5  # lines of the log that are shown when a process cannot start


@dataclass(frozen=True)
class Part:
    """A process to run."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    """What it gets beside the supervisor's own."""
    needs: Sequence[str]
    """The names of the parts that are to be ready before it starts."""
    ready: Ready | None
    """Tells when it answers. None: it is to end by itself, and is ready then."""
    log: Path | None
    """The file that its output is appended to. None: the supervisor's standard error."""
    lock: int
    """A descriptor that it inherits."""
    waits: Mapping[str, str] = field(default_factory=dict)
    """Events of its log that say what it waits for, and what they mean to a person. While it waits, so does its keeper."""


class Keeper:
    """Starts a part, starts it again whenever it dies, stops it. `tell` hears of what goes wrong."""

    def __init__(self, part: Part, tell: Callable[[str], None]) -> None:
        self._part = part
        self._tell = tell
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Of the latest process; 0 before the first."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start the part for the first time and wait until it answers, or has done its work.

        Raises:
            CannotStart: it failed, or it neither answers nor says what it waits for. The message holds its last words.
        """
        process = await self._spawn()
        loop = asyncio.get_running_loop()
        begun, told = loop.time(), ""
        while not await self._is_ready(process):
            if process.returncode is not None:
                raise CannotStart(f"{self._part.name} {_manner_of(process)}{self._last_words()}")
            waited = loop.time() - begun
            reason = self._waits_for() if self._part.waits and waited > _WAITING_SECONDS else None
            if reason is None and waited > _START_SECONDS:
                raise CannotStart(f"{self._part.name} does not answer after {_START_SECONDS:.0f} s{self._last_words()}")
            if reason and reason != told:
                self._tell(f"{self._part.name} waits: {reason}")
                told = reason
            await asyncio.sleep(_LOOK_SECONDS)

    async def keep(self) -> None:
        """Restart the part whenever it dies, for ever."""
        loop = asyncio.get_running_loop()
        restarts = 0
        while self._process is not None:
            begun = loop.time()
            await self._process.wait()
            if loop.time() - begun > _STEADY_SECONDS:
                restarts = 0
            wait = _BACKOFF_SECONDS[min(restarts, len(_BACKOFF_SECONDS) - 1)]
            self._tell(f"{self._part.name} {_manner_of(self._process)}; starting it again{_after(wait)}")
            await asyncio.sleep(wait)
            try:
                await self._spawn()
            except CannotStart as error:  # what is missing may come back, and the other parts go on meanwhile
                self._tell(f"error: {error}")
            restarts += 1

    async def stop(self) -> None:
        """Ask the process to stop, and kill it if it takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            self._tell(f"{self._part.name} did not stop within {_STOP_SECONDS:.0f} s; it is killed")
            process.kill()
            await process.wait()

    def kill(self) -> None:
        """End the process at once, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    def bound_log(self) -> None:
        """Cut the log if it has grown too large."""
        if self._part.log is not None:
            bound_log(self._part.log)

    async def _spawn(self) -> asyncio.subprocess.Process:
        try:
            return await self._spawn_with_log()
        except OSError as error:  # no process may be made, or its log not be written
            raise CannotStart(f"{self._part.name} cannot be started: {error}") from error

    async def _spawn_with_log(self) -> asyncio.subprocess.Process:
        self.bound_log()
        log = self._part.log
        output = None if log is None else os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._log_start = log.stat().st_size if log else 0
            self._process = await asyncio.create_subprocess_exec(
                *self._part.command,
                env={**os.environ, **self._part.environment, PARENT_DEATH_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=output if output is not None else 2,
                stderr=output,
                pass_fds=(self._part.lock,),
                start_new_session=True,  # Ctrl-C is for the supervisor, who stops them in order
            )
        finally:
            if output is not None:
                os.close(output)
        return self._process

    async def _is_ready(self, process: asyncio.subprocess.Process) -> bool:
        if self._part.ready is None:
            return process.returncode == 0
        return await self._part.ready()

    def _waits_for(self) -> str | None:
        """What it said last that it waits for; None: nothing. Where its log is no file the reader of that sees it himself."""
        if self._part.log is None:
            return ""
        events = [str(entry.get("event")) for entry in map(_entry_in, self._logged()) if entry]
        return next((self._part.waits[event] for event in reversed(events) if event in self._part.waits), None)

    def _logged(self) -> list[str]:
        if self._part.log is None:
            return []
        with self._part.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace").splitlines()

    def _last_words(self) -> str:
        lines = self._logged()
        for entry in map(_entry_in, lines):
            if entry and entry.get("event") == "cannot_start":  # logged by libs.runtime.process
                return f": {entry.get('error')}"
        if not lines:
            return ""
        return "\n".join([f"; its log {self._part.log} ends with", *lines[-_LAST_WORDS:]])


def _entry_in(line: str) -> dict[str, object] | None:
    """What a line of a log of ours says; None: it is none."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _manner_of(process: asyncio.subprocess.Process) -> str:
    """How a process ended."""
    code = process.returncode
    if code is not None and code < 0:
        return f"was ended by {_name_of(-code)}"
    return f"ended with exit code {code}"


def _name_of(number: int) -> str:
    """A signal's name; most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _after(wait: float) -> str:
    return f" in {wait:g} s" if wait else ""
