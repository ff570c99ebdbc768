"""How a service process ends: its exit code, and one line that says why."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PROGRAM = """
import asyncio
import os
import signal
from libs.rpc.client import open_channel
from libs.rpc.health import says_serving
from libs.runtime.errors import CannotStart
from libs.runtime.process import run_service, running
from libs.runtime.settings import ServiceSettings

class PigeonSettings(ServiceSettings, service="pigeon"):
    def in_the_open(self):
        return {{"listen": self.listen}}

async def forever():
    await asyncio.Event().wait()

async def main(settings, stop):
    {body}

run_service(PigeonSettings, main)
"""


class Ended(NamedTuple):
    code: int
    lines: list[dict[str, str]]


def run_main(body: str, **environment: str) -> Ended:
    """Run a service whose composition root is `body` until it ends."""
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        env={**os.environ, "TERTULIA_PIGEON_LISTEN": "127.0.0.1:0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(process.returncode, [json.loads(line) for line in process.stderr.splitlines()])


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_code_0(signal_number: signal.Signals) -> None:
    assert run_main(f"os.kill(os.getpid(), {signal_number:d}); await stop.wait()") == (0, [])


def test_a_signal_ends_a_start_that_waits_for_something_that_never_comes() -> None:
    assert run_main(f"os.kill(os.getpid(), {signal.SIGTERM:d}); await forever()") == (0, [])


def test_what_the_operator_can_mend_is_one_line_without_a_traceback() -> None:
    ended = run_main("raise CannotStart('the port is taken')")
    assert ended.code == 1
    [line] = ended.lines
    assert (line["event"], line["error"]) == ("cannot_start", "the port is taken")
    assert "exception" not in line


def test_so_it_is_when_background_tasks_run_already() -> None:
    ended = run_main("async with running(forever()): raise CannotStart('the port is taken')")
    assert [line["event"] for line in ended.lines] == ["cannot_start"]


def test_wrong_settings_are_one_line() -> None:
    ended = run_main("await stop.wait()", TERTULIA_PIGEON_DRAIN_SECONDS="soon")
    assert ended.code == 1
    [line] = ended.lines
    assert line["event"] == "cannot_start"
    assert "drain_seconds" in line["error"]


def test_a_network_that_is_to_be_trusted_is_said_aloud() -> None:
    refused = run_main("pass", TERTULIA_PIGEON_LISTEN="pigeons.example:1")
    assert [line["event"] for line in refused.lines] == ["cannot_start"]
    told = run_main("pass", TERTULIA_PIGEON_LISTEN="pigeons.example:1", TERTULIA_PIGEON_TRUST_NETWORK="true")
    [line] = told.lines
    assert (told.code, line["level"], line["event"]) == (0, "warning", "network_is_trusted")
    assert "listen" in line["without_tls"]


def test_a_fault_is_one_line_with_its_traceback() -> None:
    ended = run_main("1 / 0")
    assert ended.code == 1
    [line] = ended.lines
    assert line["event"] == "service_failed"
    assert "ZeroDivisionError" in line["exception"]


def test_it_does_not_run_without_the_supervisor_that_wanted_it_to_stop_with_it() -> None:
    ended = run_main("await stop.wait()", TERTULIA_STOP_WITH_PARENT="1")
    assert ended.code == 1
    assert "supervisor" in ended.lines[0]["error"]


def test_probes_are_answered_from_the_start_and_say_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    body = """
    async with open_channel(settings.probes_listen) as probes:
        starting = await says_serving(probes)
        async def stop_when_ready():
            while not await says_serving(probes):
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
        async with running(stop_when_ready()):
            await stop.wait()
        stopping = await says_serving(probes)
    raise CannotStart(f"{starting} {stopping}")
    """
    ended = run_main(body, TERTULIA_PIGEON_PROBES_LISTEN=f"unix:{tmp_path / 'probes.sock'}")
    assert [line["error"] for line in ended.lines] == ["False False"]
