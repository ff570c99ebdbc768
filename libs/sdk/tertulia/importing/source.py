"""Files to import, gone through once to see what is in them and once to send it."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from enum import Enum
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from tertulia.importing import irc, jsonl
from tertulia.importing.records import Record, Said, lines_of, message_id

STANDARD_INPUT = Path("-")
_IN_MEMORY_BYTES = 16 * 1024 * 1024  # of what comes from a pipe; more goes to a temporary file


class Format(Enum):
    """How files are written."""

    IRC = "irc"
    JSONL = "jsonl"


class SourceInvalid(ValueError):
    """A file cannot be imported as a whole."""


class Line(NamedTuple):
    """A line of a file, understood."""

    number: int
    record: Record
    message_id: str
    """Of a message; else empty."""


class Source:
    """One file, pipe, or with `-` standard input. `day` is that of an IRC log, in place of the one in its name.

    Raises:
        SourceInvalid: an IRC log without a date in its name, and no `day`.
    """

    def __init__(self, path: Path, form: Format, channel_id: str, day: date | None = None) -> None:
        self.name = "standard input" if path == STANDARD_INPUT else path.name
        self._path = path
        self._channel_id = channel_id
        self._parse = _parser(self.name, form, day)
        self._spool: IO[bytes] | None = None

    def lines(self) -> Iterator[Line]:
        """The lines in their order. Identical ones are told apart by counting, anew in each file: a file imported again,
        or a longer version of it, has the same lines.

        Raises:
            OSError: the file cannot be read.
        """
        seen: Counter[str] = Counter()
        with self._opened() as data:
            for number, line in lines_of(data):
                record = self._parse(line)
                if isinstance(record, Said):
                    occurrence = seen[record.key]
                    seen[record.key] += 1
                    yield Line(number, record, message_id(self._channel_id, record, occurrence))
                else:
                    yield Line(number, record, "")

    def close(self) -> None:
        """Forget what was kept of a pipe."""
        if self._spool is not None:
            self._spool.close()

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if self._path.is_file():
            with self._path.open("rb") as data:
                yield data
            return
        if self._spool is None:  # what comes from a pipe comes once
            self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - kept until `close`
            if self._path == STANDARD_INPUT:
                shutil.copyfileobj(sys.stdin.buffer, self._spool)
            else:
                with self._path.open("rb") as data:
                    shutil.copyfileobj(data, self._spool)
        self._spool.seek(0)
        yield self._spool


def _parser(name: str, form: Format, day: date | None) -> Callable[[bytes], Record]:
    if form is Format.JSONL:
        return jsonl.parse
    day = day or irc.date_of(name)
    if day is None:
        raise SourceInvalid(
            f"{name}: no date; an IRC log has it in its name, as in 2016-12-19.txt, or give --date YYYY-MM-DD"
        )
    return partial(irc.parse, day=day)
