"""Files to import, read once to see what is in them and once to send it."""

from collections import Counter
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tertulia.importing import irc, jsonl
from tertulia.importing.records import Record, Said, lines_of, message_id


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
    """One file.

    Raises:
        SourceInvalid: an IRC log without a date in its name.
    """

    def __init__(self, path: Path, form: Format, channel_id: str) -> None:
        self.path = path
        self._channel_id = channel_id
        self._parse = _parser(path, form)

    def lines(self) -> Iterator[Line]:
        """The lines in their order. Identical ones are told apart by counting, anew in each file: a file imported again,
        or a longer version of it, has the same lines.

        Raises:
            OSError: the file cannot be read.
        """
        seen: Counter[str] = Counter()
        with self.path.open("rb") as data:
            for number, line in lines_of(data):
                record = self._parse(line)
                if isinstance(record, Said):
                    occurrence = seen[record.key]
                    seen[record.key] += 1
                    yield Line(number, record, message_id(self._channel_id, record, occurrence))
                else:
                    yield Line(number, record, "")


def _parser(path: Path, form: Format) -> Callable[[bytes], Record]:
    if form is Format.JSONL:
        return jsonl.parse
    day = irc.date_of(path.name)
    if day is None:
        raise SourceInvalid(f"{path.name}: the name of an IRC log must hold its date, as in 2016-12-19.txt")
    return partial(irc.parse, day=day)
