"""The port for positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.directory.keys import MemberKey


@dataclass(frozen=True, slots=True)
class Position:
    """A user has read a channel's log up to `read_seq`, and so many messages; it has reached a device up to `delivered_seq`."""

    key: MemberKey
    read_seq: int
    read_message_count: int
    delivered_seq: int = 0
    """Never below `read_seq` in what is read here."""


class PositionStore(Protocol):
    """Positions, merged by seq: the highest that was ever stored is kept (I8), of each kind, also when the user leaves and
    comes back; they are never deleted. Errors of every method: see `libs.directory.Directory`.
    """

    async def advance(self, positions: Sequence[Position]) -> None:
        """Store positions, each by itself; one at or below what is stored changes nothing."""

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        """The positions, in the order of the keys; 0 where there is none."""
