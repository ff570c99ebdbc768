"""The port for members."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from libs.directory.keys import ChannelKey, MemberKey, UserKey


class MemberState(IntEnum):
    ACTIVE = 1
    LEFT = 2
    """Was a member. The row stays: a deleted one could come back with a late write."""


class MemberRole(IntEnum):
    """As tertulia.chat.v1.MemberRole."""

    MEMBER = 1
    OWNER = 2
    OPERATOR = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A user's membership of a channel, as the change with `version` made it."""

    key: MemberKey
    state: MemberState
    role: MemberRole
    join_time_ms: int
    version: int


class MemberStore(Protocol):
    """Members, merged by version: of two rows of one key the one with the higher version is kept, in whatever order they
    are written. Errors of every method: see `libs.directory.Directory`.
    """

    async def put(self, members: Sequence[Member]) -> None:
        """Store member rows, each by itself: of a call that failed some may have been stored."""

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Member | None]:
        """The rows in any state, in the order of the keys; None: was never a member."""

    async def of_channel(self, channel: ChannelKey, after_user_id: str, limit: int) -> Sequence[Member]:
        """The first `limit` active members whose id is above `after_user_id`, in order of the ids' UTF-8 bytes."""

    async def of_user(self, user: UserKey) -> Sequence[Member]:
        """The user's active memberships, all of them, in no order. Read after a `put` of them has returned, it has them."""
