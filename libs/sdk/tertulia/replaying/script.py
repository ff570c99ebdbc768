"""What is to be played: the lines of a channel, who speaks them, and what each of them waits for.

In what order lines are sent decides what a replay proves. Here an author says a line when their client has been shown every
line of an earlier time: what they could have seen before they wrote, they have seen. Lines of one time (a minute, in IRC logs)
are a *step*: those of one author keep their order, those of several are sent at once, as they may have been written. A line
that answers another one waits for that one, too. So the steps follow each other in the log as they did in the original, and
within a step there is a race, whose outcome has to be the same for everybody.
"""

from collections import Counter
from collections.abc import AsyncIterable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tertulia.models import Message


class Line(NamedTuple):
    """Something to say."""

    number: int
    """From 0, in the original order."""
    author: str
    """Empty: the application."""
    text: str
    time_ms: int
    before: int
    """So many lines are of an earlier time; they are all to be seen before this one is said."""
    reply_to: int | None
    """The number of the line that it answers."""
    mentions: Sequence[str]
    custom_type: str
    custom_data: str


@dataclass(frozen=True, slots=True)
class Script:
    """A conversation."""

    lines: Sequence[Line]
    deleted: int
    """Messages that are not played, for there is nothing left of them."""

    def authors(self) -> list[str]:
        """Those who say most first; of as many lines, in order of their first."""
        return [author for author, _ in Counter(line.author for line in self.lines).most_common() if author]


async def read(messages: AsyncIterable[Message], on_progress: Callable[[int], None]) -> Script:
    """The script that a channel's messages are, oldest first. `on_progress` hears the seq that was read last."""
    lines: list[Line] = []
    numbers: dict[int, int] = {}
    deleted = before = 0
    async for message in messages:
        on_progress(message.seq)
        if message.deleted:
            deleted += 1
            continue
        if lines and message.time_ms > lines[-1].time_ms:
            before = len(lines)
        numbers[message.seq] = len(lines)
        lines.append(
            Line(
                number=len(lines),
                author=message.author,
                text=message.text,
                time_ms=max(message.time_ms, lines[-1].time_ms if lines else 0),  # a log's order counts, not its clock
                before=before,
                reply_to=numbers.get(message.reply_to),
                mentions=message.mentions,
                custom_type=message.custom_type,
                custom_data=message.custom_data,
            )
        )
    return Script(lines, deleted)


@dataclass(frozen=True, slots=True)
class Part:
    """What one client does."""

    user_id: str
    """Whose client it is."""
    lines: Sequence[Line]
    """Its user's, and those of authors without a client of their own, which the application says for them; in order."""


def cast(script: Script, clients: int) -> list[Part]:
    """The parts of so many clients. Those who say most have clients of their own; the other authors are dealt to these, and what
    they say waits for what that client has seen. If there are fewer authors, the rest of the clients only listen."""
    authors = script.authors()
    people = authors[:clients] + [f"listener-{n}" for n in range(1, clients - len(authors) + 1)]
    client_of = {author: n for n, author in enumerate(people)}
    for n, author in enumerate(["", *authors[clients:]]):
        client_of[author] = n % clients
    lines: list[list[Line]] = [[] for _ in people]
    for line in script.lines:
        lines[client_of[line.author]].append(line)
    return [Part(user_id, said) for user_id, said in zip(people, lines, strict=True)]
