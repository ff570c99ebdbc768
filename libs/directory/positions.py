"""The port for read positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.directory.keys import MemberKey


@dataclass(frozen=True, slots=True)
class Position:
    """A user has read a channel's log up to `read_seq`, and so many messages."""

    key: MemberKey
    read_seq: int
    read_message_count: int


class PositionStore(Protocol):
    """Read positions, merged by seq: the highest that was ever stored is kept (I8), also when the user leaves and comes
    back; they are never deleted. Errors of every method: see `libs.directory.Directory`.
    """

    async def advance(self, positions: Sequence[Position]) -> None:
        """Store positions, each by itself; one at or below what is stored changes nothing."""

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        """The positions, in the order of the keys; 0 where there is none."""
