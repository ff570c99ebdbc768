"""The port for blocks: who does not want to hear from whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from libs.directory.keys import UserKey


class BlockKey(NamedTuple):
    """Two users, of whom the first may have blocked the second."""

    application_id: str
    user_id: str
    blocked_user_id: str


@dataclass(frozen=True, slots=True)
class Block:
    """Whether a user has blocked another. Flat, because it is also kept as JSON, in a change."""

    application_id: str
    user_id: str
    blocked_user_id: str
    blocked: bool
    version: int
    """Rises with every change; 0: there was never a block."""

    @property
    def key(self) -> BlockKey:
        return BlockKey(self.application_id, self.user_id, self.blocked_user_id)


class BlockStore(Protocol):
    """Blocks, merged by version: of two rows of one key the one with the higher version is kept, in whatever order they are
    written; no row is ever deleted. Errors of every method: see `libs.directory.Directory`.
    """

    async def put(self, blocks: Sequence[Block]) -> None:
        """Store blocks, each by itself: of a call that failed some may have been stored."""

    async def get(self, keys: Sequence[BlockKey]) -> Sequence[Block]:
        """The rows, in the order of the keys; where there is none, one of version 0."""

    async def of_user(self, user: UserKey, after_user_id: str, limit: int) -> Sequence[Block]:
        """The first `limit` whom the user has blocked now, with ids above `after_user_id`, in order of the ids' UTF-8 bytes."""
