"""The disk of the embedded store is full."""

import os
import random
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.faults.nemeses import Calm
from tests.faults.stack import FaultStack, Shape

_MEBIBYTES = 64
_SECONDS = 10


class FullDisk(Calm):
    """SQLite's files are on a file system of their own, which somebody else fills, and clears again."""

    def __init__(self) -> None:
        super().__init__("full disk", hold_seconds=3.0)
        self._disk = Path()

    def missing(self) -> str | None:
        return None if os.geteuid() == 0 else "needs root, to mount a small file system"

    def prepare(self, folder: Path) -> None:
        self._disk = folder / "disk"
        self._disk.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={_MEBIBYTES}m", "tertulia-faults", str(self._disk))
        self.shape = Shape(disk=self._disk)

    def clean(self) -> None:
        _run("umount", "-l", str(self._disk))

    async def strike(self, stack: FaultStack, rng: random.Random) -> None:
        del stack, rng
        with suppress(OSError), (self._disk / "ballast").open("wb", buffering=0) as ballast:
            while True:  # until there is no room
                ballast.write(bytes(65_536))

    async def heal(self, stack: FaultStack) -> None:
        del stack
        (self._disk / "ballast").unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=_SECONDS)
