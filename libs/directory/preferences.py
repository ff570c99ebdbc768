"""The port for what members prefer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.directory.keys import MemberKey, UserKey


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a user wants to have a channel: as tertulia.chat.v1.ChannelPreferences."""

    key: MemberKey
    version: int = 0
    """0: nothing was ever set."""
    muted: bool = False
    pinned: bool = False
    hidden: bool = False
    hidden_message_count: int = 0
    marked_unread: bool = False


class PreferenceStore(Protocol):
    """Preferences, changed by compare-and-set on their version. Errors of every method: see `libs.directory.Directory`."""

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Preferences]:
        """The rows, in the order of the keys; where there is none, one of version 0."""

    async def of_user(self, user: UserKey) -> Sequence[Preferences]:
        """All rows of the user, in no order, also of channels that they left."""

    async def update(self, preferences: Preferences) -> bool:
        """Compare and set: store a row if the one that is there has the version before it (none: 0).

        True: it is stored, now or by an earlier try. False: another one was first; read again.
        """
