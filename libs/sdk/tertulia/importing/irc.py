"""IRC logs in the form of the public Ubuntu logs (irclogs.ubuntu.com).

    [09:19] <alice> a message
    [09:20]  * alice waves                    an action: imported with custom_type "irc.action" and its text, "waves"
    === bob [~bob@host] has joined #ubuntu    a system line: counted

The date is in the file's name, the times are taken as UTC and as they are: a file stands for its date, and its order is
kept whatever the clock says. The nick is the user id. A line of any other form is reported, also one without text, and one
that is not UTF-8 is read as Latin-1, imported and reported.
"""

import re
from datetime import UTC, date, datetime, time

from tertulia.importing.records import Record, Rejected, Said, System, checked

ACTION_TYPE = "irc.action"

_DATE = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_LINE = re.compile(r"\[(\d\d):(\d\d)\](?: <(?P<nick>[^>]+)>|  \* (?P<actor>\S+))(?: (?P<text>.*))?", re.DOTALL)


def date_of(file_name: str) -> date | None:
    """The date in a file's name, if there is one."""
    for found in _DATE.findall(file_name):
        try:
            return date.fromisoformat(found)
        except ValueError:
            continue
    return None


def parse(line: bytes, day: date) -> Record:
    """One line of the log of a day."""
    note = ""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("latin-1")
        note = "not UTF-8; read as Latin-1"
    if text.startswith("==="):
        return System()
    match = _LINE.fullmatch(text.removeprefix("\ufeff"))
    if match is None:
        return Rejected("neither a message, an action nor a system line" + (f" ({note})" if note else ""))
    try:
        moment = datetime.combine(day, time(int(match[1]), int(match[2])), UTC)
    except ValueError:
        return Rejected(f"{match[1]}:{match[2]} is no time of day")
    author, said = match["nick"] or match["actor"], match["text"] or ""
    action = match["actor"] is not None
    return checked(
        Said(
            author=author,
            time_ms=int(moment.timestamp()) * 1000,
            text=said,
            key="\0".join(("irc", day.isoformat(), f"{match[1]}:{match[2]}", "*" if action else "<", author, said)),
            custom_type=ACTION_TYPE if action else "",
            action=action,
            note=note,
        )
    )
