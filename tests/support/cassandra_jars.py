"""Cassandra's jars from Maven Central, fetched once per user and version, and the Java that runs them.

Maven Central is often reachable where a container registry or an Apache mirror is not, and Maven checks what it brings.
"""

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.images import CASSANDRA_VERSION

JAVA_VERSIONS = (11, 17)
"""What Cassandra 5.0 runs on. Later ones lack the security manager that it still asks for."""

_FETCH_SECONDS = 300
_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
"""Pinned: without a version Maven takes whichever its own release names, some of them ten years old."""

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tertulia.tests</groupId><artifactId>cassandra</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies><dependency>
    <groupId>org.apache.cassandra</groupId><artifactId>cassandra-all</artifactId><version>{CASSANDRA_VERSION}</version>
  </dependency></dependencies>
</project>
"""


def cache_directory() -> Path:
    """Where tests keep what is dear to fetch: `$XDG_CACHE_HOME/tertulia-tests`, or the same below `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME")
    path = (Path(base) if base else Path.home() / ".cache") / "tertulia-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def java() -> str | None:
    """The `java` of JAVA_HOME, else of PATH."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin" if home else None)


def java_version(banner: str) -> int | None:
    """The feature release in what `java -version` prints: 17 of `openjdk version "17.0.15" 2025-04-15`, 8 of "1.8.0"."""
    found = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(found[1]) if found else None


def process_missing() -> str | None:
    """Why Cassandra cannot run as a process here; None when it can."""
    command = java()
    if command is None:
        return "no java in JAVA_HOME or PATH"
    banner = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    version = java_version(banner)
    if version not in JAVA_VERSIONS:
        return f"Java {version} found, Cassandra {CASSANDRA_VERSION} runs on {' or '.join(map(str, JAVA_VERSIONS))}"
    if not shutil.which("setpriv") or not shutil.which("prlimit"):
        return "no setpriv and prlimit (util-linux)"
    if not _directory().exists() and not shutil.which("mvn"):
        return "no mvn to fetch its jars from Maven Central"
    return None


def _directory() -> Path:
    return cache_directory() / f"cassandra-{CASSANDRA_VERSION}"


async def jars() -> Path:
    """The directory with Cassandra and what it needs; about 60 MB, fetched when this user has none yet.

    Raises:
        RuntimeError: Maven failed; its words are in the text.
    """
    directory = _directory()
    with (cache_directory() / "cassandra.lock").open("w") as lock:
        # Of several workers of one run, one fetches and the others wait here.
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        if not directory.exists():
            await _fetch(directory)
    return directory


async def _fetch(directory: Path) -> None:
    # Beside its final place, so that the rename is atomic: a directory of that name is always whole.
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        pom = Path(scratch) / "pom.xml"
        pom.write_text(_POM)
        process = await asyncio.create_subprocess_exec(
            "mvn",
            "--quiet",
            "--batch-mode",
            "--strict-checksums",
            f"--file={pom}",
            f"{_DEPENDENCY_PLUGIN}:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={scratch}/jars",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_FETCH_SECONDS):
                said, _ = await process.communicate()
        except BaseException:  # whatever ends the wait, Maven must not go on
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise RuntimeError(f"Maven could not fetch Cassandra {CASSANDRA_VERSION}:\n{said.decode()[-3000:]}")
        (Path(scratch) / "jars").rename(directory)
