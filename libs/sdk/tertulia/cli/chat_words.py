"""What a line that somebody typed into a chat is."""

from enum import Enum


class Command(Enum):
    """What a line that begins with `/` asks for."""

    HELP = "/help"
    QUIT = "/quit"


HELP = (
    "type and press Enter; /quit or Ctrl-D leaves, Ctrl-C at once; ↑ brings back what was typed; "
    "a message that begins with / is typed with //"
)


class UnknownCommand(Exception):
    """A line that begins with `/` and is none of the commands."""


def understood(line: str) -> Command | str:
    """The command or the message that a line is; a message may be blank, which is none.

    Raises:
        UnknownCommand
    """
    if line.startswith("//"):
        return line[1:]
    if not line.startswith("/"):
        return line
    try:
        return Command(line.strip())
    except ValueError:
        raise UnknownCommand(
            f"there is no {line.split(maxsplit=1)[0]}; /help, /quit, and // for a message with a /"
        ) from None


def is_being_said(line: str) -> bool:
    """Whether what stands in the line is on the way to become a message, which others are told of as typing."""
    return bool(line.strip()) and (not line.startswith("/") or line.startswith("//"))
