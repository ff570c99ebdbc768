"""What a line of a file is."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

MAX_TEXT_CHARACTERS = 10_000  # the protocol's limits
MAX_USER_ID_BYTES = 128
MAX_CUSTOM_DATA_BYTES = 16 * 1024
MAX_CUSTOM_TYPE_BYTES = 128
MAX_TIME_MS = 2**53 - 1
MAX_MENTIONS = 50


@dataclass(frozen=True, slots=True)
class Said:
    """A message."""

    author: str
    """The user id."""
    time_ms: int
    text: str
    key: str
    """What makes the line the same line when it is imported again; identical lines of a file have the same key."""
    custom_type: str = ""
    custom_data: str = ""
    mentions: tuple[str, ...] = ()
    seq: int = 0
    """Where it stood in the channel that it comes from; 0: not known."""
    reply_to: int = 0
    """The seq there of the message that it answered; 0: none."""
    action: bool = False
    note: str = ""
    """Imported, but there is something to report about it."""


@dataclass(frozen=True, slots=True)
class System:
    """A line that the chat system wrote, which is counted and not imported."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is not imported, and why."""

    reason: str


Record = Said | System | Rejected


def checked(said: Said) -> Said | Rejected:
    """Hold a message against the limits of the API, so that one line that breaks them does not end an import."""
    try:
        for part in (said.author, said.text, said.custom_type, said.custom_data, *said.mentions):
            part.encode()
    except UnicodeEncodeError:
        return Rejected("half of a surrogate pair, which is no character")
    if not said.text.strip() and not said.custom_data:
        return Rejected("no text")
    if len(said.text) > MAX_TEXT_CHARACTERS:
        return Rejected(f"the text has {len(said.text):,} characters, above {MAX_TEXT_CHARACTERS:,}")
    if "\0" in said.text:
        return Rejected("the text contains a NUL character")
    if not _is_user_id(said.author):
        return Rejected("the author is no user id: 1 to 128 bytes without control characters")
    if len(said.mentions) > MAX_MENTIONS or len(set(said.mentions)) < len(said.mentions):
        return Rejected(f"more than {MAX_MENTIONS} mentions, or somebody mentioned twice")
    if not all(_is_user_id(user_id) for user_id in said.mentions):
        return Rejected("a mention is no user id: 1 to 128 bytes without control characters")
    if len(said.custom_data.encode()) > MAX_CUSTOM_DATA_BYTES or len(said.custom_type.encode()) > MAX_CUSTOM_TYPE_BYTES:
        return Rejected("custom data above 16 KiB, or its type above 128 bytes")
    if not 1 <= said.time_ms <= MAX_TIME_MS:
        return Rejected("the time lies before 1970 or too far ahead")
    return said


def _is_user_id(text: str) -> bool:
    return 1 <= len(text.encode()) <= MAX_USER_ID_BYTES and not any(c < " " or c == "\x7f" for c in text)


def message_id(channel_id: str, said: Said, occurrence: int) -> str:
    """The client message id of a line: the same whenever it is imported, another for each of identical lines."""
    parts = "\0".join((channel_id, said.key, str(occurrence)))
    return "import-" + hashlib.blake2b(parts.encode(), digest_size=16).hexdigest()


def lines_of(data: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without their ends: LF or CR LF, and nothing else that some take for one."""
    for number, line in enumerate(data, start=1):
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")
