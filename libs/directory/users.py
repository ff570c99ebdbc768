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
    version: int = 1
    """Of name and picture; every change raises it by one."""


class UserStore(Protocol):
    """Users. Errors of every method: see `libs.directory.Directory`."""

    async def create(self, users: Sequence[User]) -> Sequence[User]:
        """Store each user unless there is one of that key; return those that are there now, in the same order.

        Each is stored by itself: of a call that failed some may have been.
        """

    async def update(self, users: Sequence[User]) -> Sequence[bool]:
        """Compare and set, each by itself: store the name and the picture if the row has the version before the given one.

        In the order of `users`, whether it was done. False: another change was first, it is done already, or there is no
        such user; read again.
        """

    async def get(self, keys: Sequence[UserKey]) -> Sequence[User | None]:
        """The users, in the order of the keys; None: there is none."""
