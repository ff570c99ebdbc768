"""What the image is built from is there when it is built. Building it takes Docker and minutes; this is what broke it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.rendering import DEPLOY

ROOT = DEPLOY.parent
BUF = Path(sys.executable).with_name("buf")


def copied() -> list[str]:
    """What the Dockerfile takes from the checkout."""
    words = [
        line.split()[1:-1] for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")
    ]
    return [source for sources in words if not sources[0].startswith("--from") for source in sources]


def test_everything_that_is_copied_exists_and_is_not_kept_out() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    assert sorted(let_in) == sorted(copied())


def test_the_protos_that_are_copied_find_each_other(tmp_path: Path) -> None:
    for source in copied():
        if (ROOT / source).is_file():
            shutil.copy(ROOT / source, tmp_path)
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    done = subprocess.run(
        [BUF, "build", "--output", tmp_path / "image.binpb"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
