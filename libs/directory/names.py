"""The port for listings: what is found by how its name begins, and read in the order of the names."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class Listing(StrEnum):
    USERS = "users"
    """All users of an application, under an empty name: in order of their ids."""
    USER_NAMES = "user_names"
    """The users who have a name."""
    OPEN_CHANNELS = "open_channels"


class Place(NamedTuple):
    """Where an entry stands in its listing."""

    name: str
    """As `folded` makes it."""
    item_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a listing, and what it is the name of. Whoever changes the item's name makes the version."""

    application_id: str
    listing: Listing
    place: Place
    version: int
    listed: bool = True
    """False: the item is called so no more. The row stays: a deleted one could come back with a late write."""


class NameStore(Protocol):
    """Entries, merged by version: of two of one place the one with the higher version is kept, in whatever order they are
    written. Errors of every method: see `libs.directory.Directory`.

    An entry is a hint: who reads a page looks at the items themselves, and passes over those that are called otherwise.
    """

    async def put(self, entries: Sequence[Entry]) -> None:
        """Store entries, each by itself: of a call that failed some may have been stored."""

    async def page(
        self, application_id: str, listing: Listing, prefix: str, after: Place | None, limit: int
    ) -> Sequence[Place]:
        """The first `limit` listed whose names begin with `prefix` (folded), above `after`, in order of name, then id."""


_FOLDED_CHARACTERS = 64  # a page token, of at most 1,024 bytes, has a place in it


def folded(name: str) -> str:
    """The form of a name in which upper and lower case are alike, cut to what is worth sorting by."""
    return name.casefold()[:_FOLDED_CHARACTERS]


def end_of(prefix: str) -> str:
    """What is above every name that begins so (U+10FFFF is no character, and no name has it)."""
    return prefix + "\U0010ffff"
