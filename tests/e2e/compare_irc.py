"""Compares IRC logs with the history of the channel that they were imported into, line by line.

    tertulia history NAME --as USER --json | python tests/e2e/compare_irc.py FILE...

It shares no code with the importer, so that a misreading there is not repeated here. Exit code 0: every line is accounted
for (a message, an action, a system line, or one that is none of these), and history has nothing else, in the same order.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

_LINE = re.compile(
    r"\[(?P<time>\d\d:\d\d)\] (?:<(?P<nick>[^>]+)> |(?P<action> \* (?P<actor>\S+) ))(?P<text>.+)", re.DOTALL
)


class Said(NamedTuple):
    """A message as both sides can tell it."""

    author: str
    minute: str
    text: str


class Comparison(NamedTuple):
    """What became of the lines, and the first differences."""

    lines: Counter[str]
    differences: Sequence[str]


def read_logs(paths: Iterable[Path]) -> tuple[list[Said], Counter[str]]:
    """The messages of the files in order, and how many lines there are of each sort."""
    said: list[Said] = []
    lines: Counter[str] = Counter()
    for path in paths:
        day = re.search(r"\d{4}-\d\d-\d\d", path.name)
        assert day is not None, f"{path.name} has no date in its name"
        for raw in path.read_bytes().removesuffix(b"\n").split(b"\n"):
            try:
                line = raw.decode()
            except UnicodeDecodeError:
                line = raw.decode("latin-1")
            match = _LINE.fullmatch(line)
            if line.startswith("==="):
                lines["system"] += 1
            elif match is None or not match["text"].strip():
                lines["none of these"] += 1
            else:
                lines["action" if match["action"] else "message"] += 1
                said.append(Said(match["nick"] or match["actor"], f"{day[0]}T{match['time']}", match["text"]))
    return said, lines


def read_history(lines: Iterable[str]) -> list[Said]:
    """The messages of `tertulia history --json`."""
    entries = [json.loads(line) for line in lines]
    return [Said(entry["author"], entry["time"][:16], entry["text"]) for entry in entries]


def compare(paths: Sequence[Path], history: Iterable[str]) -> Comparison:
    """Hold the files against the history."""
    expected, lines = read_logs(paths)
    found = read_history(history)
    differences = [
        f"message {number}: the files have {a}, history has {b}"
        for number, (a, b) in enumerate(zip(expected, found, strict=False), start=1)
        if a != b
    ]
    if len(expected) != len(found):
        differences.append(f"the files have {len(expected)} messages, history has {len(found)}")
    return Comparison(lines, differences)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    comparison = compare(parser.parse_args().files, sys.stdin)
    total = sum(comparison.lines.values())
    print(f"{total} lines: " + ", ".join(f"{count} {sort}" for sort, count in sorted(comparison.lines.items())))
    for difference in comparison.differences[:10]:
        print(difference)
    print("the history is that of the files" if not comparison.differences else "THEY DIFFER")
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
