"""The port for users."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.directory.keys import UserKey


@dataclass(frozen=True, slots=True)
class User:
    """A person, or a sender of the brand."""

    key: UserKey
    inbox_log_id: bytes
    """16 random bytes, given once."""
    name: str
    avatar_url: str
    create_time_ms: int


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What to set of a user. None: leave it as it is."""

    key: UserKey
    name: str | None
    avatar_url: str | None


class UserStore(Protocol):
    """Users. Errors of every method: see `libs.directory.Directory`."""

    async def create(self, users: Sequence[User]) -> Sequence[User]:
        """Store each user unless there is one of that key; return those that are there now, in the same order.

        Each is stored by itself: of a call that failed some may have been.
        """

    async def change_profiles(self, changes: Sequence[ProfileChange]) -> None:
        """Set names and pictures, in order. A user that does not exist is passed over, never made."""

    async def get(self, keys: Sequence[UserKey]) -> Sequence[User | None]:
        """The users, in the order of the keys; None: there is none."""
