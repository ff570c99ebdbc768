"""The conversation of docs/http.md, run by bash and curl as it stands there."""

import os
import re
import subprocess
from pathlib import Path

from tests.support.stack import COMMAND, running_stack

PAGE = Path(__file__).parents[3] / "docs" / "http.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SECONDS = 60


def transcript() -> list[tuple[str, list[str]]]:
    """Each command with the lines that it answers."""
    steps: list[tuple[str, list[str]]] = []
    for block in _BLOCK.findall(PAGE.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line.removeprefix("$ "), []))
            else:
                steps[-1][1].append(line)
    return steps


def pattern(expected: list[str]) -> str:
    """`…` is anything on a line."""
    return "\n".join(".*".join(re.escape(part) for part in line.split("…")) for line in expected)


async def test_the_transcript_is_what_happens(tmp_path: Path) -> None:
    steps = transcript()
    assert len(steps) > 10
    async with running_stack(tmp_path / "data") as stack:
        script = ["set -u"]
        for number, (command, _) in enumerate(steps):
            script += [f"echo '@{number}'", command.replace("http://127.0.0.1:7480", stack.web)]
        done = subprocess.run(  # noqa: ASYNC221 - nothing else runs
            ["bash", "-c", "\n".join(script)],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"},
            timeout=_SECONDS,
        )
    answers = re.split(r"^@\d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(answers) == len(steps), done.stderr
    for (command, expected), answer in zip(steps, answers, strict=True):
        assert re.fullmatch(pattern(expected), answer.rstrip("\n")), f"$ {command}\n{answer}"
