"""Both wheels install into an empty environment, and the server starts there."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("wheels")]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    out = tmp_path_factory.mktemp("wheels")
    for project in (ROOT / "libs/sdk", ROOT):
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(project)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheels and, at the locked versions, what they ask for; nothing of this checkout."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    constraints = home / "constraints.txt"
    locked = [line.removesuffix(" \\") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    constraints.write_text("\n".join(locked))
    subprocess.run(
        [home / "bin/pip", "install", "--quiet", "-c", constraints, *(str(wheel) for wheel in wheels.values())],
        check=True,
    )
    return home


def test_the_wheels_share_no_file(wheels: dict[str, Path]) -> None:
    names = [set(zipfile.ZipFile(wheel).namelist()) for wheel in wheels.values()]
    assert len(names) == 2
    assert not names[0] & names[1]


def test_the_sdk_wheel_holds_its_stubs_and_no_server(wheels: dict[str, Path]) -> None:
    names = zipfile.ZipFile(wheels["tertulia"]).namelist()
    assert "tertulia/chat/v1/session_pb2.py" in names
    assert "tertulia/py.typed" in names
    assert not [name for name in names if name.startswith(("services/", "libs/", "tests/", "tertulia_internal/"))]


@pytest.fixture
def server(environment: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    process = subprocess.Popen(
        [environment / "bin/tertulia", "serve", "--port", "0", "--data", str(tmp_path / "data"), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        process.stdout.close()


def test_the_server_starts_in_an_empty_environment_and_carries_a_message(
    environment: Path, tmp_path: Path, server: tuple[subprocess.Popen[str], dict[str, object]]
) -> None:
    _, ready = server

    def tertulia(*arguments: str) -> list[dict[str, object]]:
        done = subprocess.run(
            [environment / "bin/tertulia", *arguments, "--json"],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERTULIA_ADDRESS": str(ready["address"])},
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    tertulia("channels", "create", "plaza", "--kind", "group", "--members", "alice,bob", "--as", "alice")
    tertulia("send", "plaza", "hello", "--as", "alice")
    assert [entry["text"] for entry in tertulia("history", "plaza", "--as", "bob")] == ["hello"]
