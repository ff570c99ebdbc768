"""What is measured: this checkout, or another revision beside it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_BUILD_SECONDS = 300


class Revision(NamedTuple):
    """A checkout with its stubs made."""

    name: str
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Makes Python take the code from there, and not from where the virtual environment points to."""
        return {"PYTHONPATH": ":".join(str(self.root / path) for path in (".", "gen", "libs/sdk"))}


def this_checkout() -> Revision:
    """As it is, changes that were not committed included."""
    dirty = "+" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return Revision(_git("rev-parse", "--short", "HEAD") + dirty, ROOT)


@contextmanager
def other_revision(name: str) -> Iterator[Revision]:
    """A revision in a worktree of its own, removed afterwards. It runs in this checkout's virtual environment.

    Raises:
        subprocess.CalledProcessError: there is no such revision, or its stubs cannot be made.
    """
    commit = _git("rev-parse", "--short", "--verify", f"{name}^{{commit}}")
    with TemporaryDirectory(prefix="tertulia-bench-") as directory:
        root = Path(directory) / "checkout"
        _git("worktree", "add", "--detach", str(root), commit)
        try:
            (root / ".venv").symlink_to(ROOT / ".venv")
            # -o: the virtual environment is as it is, whatever that revision says of it
            subprocess.run(
                ["make", "--quiet", "-o", ".venv/.installed", "proto"], cwd=root, check=True, timeout=_BUILD_SECONDS
            )
            yield Revision(f"base {commit}", root)
        finally:
            _git("worktree", "remove", "--force", str(root))


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True, timeout=_BUILD_SECONDS
    )
    return done.stdout.strip()
