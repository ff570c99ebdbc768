"""What a line that somebody typed into a chat is, and how what others did is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import tertulia
from tertulia.cli.console import shown_name

LAST = 0
"""In place of a seq: the last message, one's own where only one's own can be meant. It is typed as `.`."""

HELP = """type and press Enter; ↑ brings back what was typed
/reply SEQ TEXT      answer a message
/edit SEQ TEXT       give a message of yours another text
/react SEQ EMOJI     react to a message
/unreact SEQ EMOJI   take it back
/delete SEQ          delete a message for everybody
/quit or Ctrl-D      leave; Ctrl-C leaves at once
SEQ is the number before a message, or . for the last one
a message that begins with / is typed with //"""


class Command(Enum):
    """A line that asks for something of the screen itself."""

    HELP = "/help"
    QUIT = "/quit"


@dataclass(frozen=True, slots=True)
class Say:
    """A message; it may be blank, which is none."""

    text: str
    reply_to: int | None = None
    """The seq of the message that it answers; None: of none."""


@dataclass(frozen=True, slots=True)
class Edit:
    seq: int
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    seq: int


@dataclass(frozen=True, slots=True)
class React:
    seq: int
    key: str
    removed: bool = False


Line = Command | Say | Edit | Delete | React


class NotUnderstood(Exception):
    """A line that begins with `/` and is none of the commands, or not as that command wants it."""


def understood(line: str) -> Line:
    """What a line asks for.

    Raises:
        NotUnderstood: nothing that there is.
    """
    if line.startswith("//"):
        return Say(line[1:])
    if not line.startswith("/"):
        return Say(line)
    name, _, rest = line.strip().partition(" ")
    if name in {command.value for command in Command} and not rest:
        return Command(name)
    if name not in _TAKERS:
        raise NotUnderstood(f"there is no {name}; /help tells what there is, and // is for a message with a /")
    seq, _, words = rest.strip().partition(" ")
    if not (seq == "." or (seq.isascii() and seq.isdecimal() and int(seq))):
        raise NotUnderstood(f"{name} needs the number that stands before the message, or . for the last one")
    taken = _TAKERS[name](LAST if seq == "." else int(seq), words.strip())
    if taken is None:
        wanted = "an emoji" if name in {"/react", "/unreact"} else "a text" if name != "/delete" else "nothing"
        raise NotUnderstood(f"{name} needs {wanted} behind the number")
    return taken


_TAKERS: Mapping[str, Callable[[int, str], Line | None]] = {
    "/reply": lambda seq, text: Say(text, seq) if text else None,
    "/edit": lambda seq, text: Edit(seq, text) if text else None,
    "/delete": lambda seq, rest: None if rest else Delete(seq),
    "/react": lambda seq, key: React(seq, key) if key else None,
    "/unreact": lambda seq, key: React(seq, key, removed=True) if key else None,
}


def is_being_said(line: str) -> bool:
    """Whether what stands in the line is on the way to become a message, which others are told of as typing."""
    return bool(line.strip()) and (not line.startswith("/") or line.startswith("//"))


def told(event: tertulia.LogEvent, names: Mapping[str, str]) -> str | None:
    """A line for what somebody did other than saying something; None where there is nothing to tell."""
    if isinstance(event, tertulia.MessageReceived):
        return None
    who = shown_name(event.by, names.get(event.by, ""))
    match event:
        case tertulia.MessageEdited():
            return f"{who} edited {event.target}: {event.text}" if event.text else None
        case tertulia.MessageDeleted():
            return f"{who} deleted {event.target}"
        case tertulia.ReactionChanged(removed=True):
            return f"{who} took {event.key} back from {event.target}"
        case tertulia.ReactionChanged():
            return f"{who} reacted {event.key} to {event.target}"
        case tertulia.ChannelChanged():
            return f"{who} changed the channel"
        case tertulia.ChannelDeleted():
            return f"{who} deleted the channel"
        case tertulia.MembershipChanged():
            return "; ".join(_membership(event)) or None


def _membership(change: tertulia.MembershipChanged) -> list[str]:
    parts = []
    if change.added:
        parts.append(f"joined: {', '.join(change.added)}")
    if change.removed:
        parts.append(f"left: {', '.join(change.removed)}")
    parts += [f"{user_id} is now {role.value}" for user_id, role in change.roles.items()]
    return parts
