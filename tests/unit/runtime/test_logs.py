"""Logs as a collector reads them: one JSON object a line."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging
import structlog
from libs.runtime.logs import configure_logs, correlation_id

configure_logs("pigeon", "info")
log = structlog.get_logger()
log.debug("never_seen")
log.info("flew", far=True, odd=object, keyed={1: 2})
token = correlation_id.set("abc123")
log.warning("lost", note="two\\nlines")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("fell")
correlation_id.reset(token)
logging.getLogger("library").warning('it said "%s"\\nand more', "coo")
logging.getLogger("library").info("never_seen")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("library fell")
"""


def test_every_line_is_one_json_object_whoever_logs_it() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == ""
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["flew", "lost", "fell", 'it said "coo"\nand more', "library fell"]
    assert {line["service"] for line in lines} == {"pigeon"}
    assert [line["level"] for line in lines] == ["info", "warning", "error", "warning", "error"]
    assert [line.get("correlation_id") for line in lines] == [None, "abc123", "abc123", None, None]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert "ZeroDivisionError" in lines[2]["exception"]
    assert "ZeroDivisionError" in lines[4]["exception"]


def test_a_line_that_cannot_be_written_fails_nothing() -> None:
    program = (
        "import structlog; from libs.runtime.logs import configure_logs; configure_logs('x', 'info');"
        "structlog.get_logger().info('hello'); print('went on')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, check=False)
    assert done.stdout == b"went on\n"
