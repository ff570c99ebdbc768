"""The port for channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from libs.directory.changes import Change
from libs.directory.keys import ChannelKey


class ChannelKind(IntEnum):
    """As tertulia.chat.v1.ChannelKind."""

    DIRECT = 1
    GROUP = 2
    OPEN = 3
    BROADCAST = 4


@dataclass(frozen=True, slots=True)
class ChannelFields:
    """What its owners and operators may change of a channel: as tertulia.chat.v1.ChannelFields."""

    name: str = ""
    cover_url: str = ""
    custom_data: str = ""
    slow_mode_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, with the change of its membership or policy that is under way, if one is."""

    key: ChannelKey
    log_id: bytes
    """16 random bytes, given once, never used again."""
    kind: ChannelKind
    fields: ChannelFields
    creator_user_id: str
    """Empty: the application."""
    direct_user_ids: tuple[str, ...]
    """The two people of a direct channel, in order; empty for others."""
    create_time_ms: int
    member_count: int
    """How many members it has once `pending` is done."""
    version: int
    """Of membership and policy, from 1. It is the pending change's while there is one."""
    pending: Change | None
    """The change that was begun and is not known to be done: whoever sees it may finish it."""
    blocked_by: tuple[str, ...] = ()
    """Of a direct channel: who of the two has blocked the other."""
    deleted: bool = False
    """The row stays for ever, so that the id is never given again; its fields are empty then."""


class ChannelStore(Protocol):
    """Channels. Errors of every method: see `libs.directory.Directory`."""

    async def create(self, channel: Channel) -> Channel:
        """Store a channel unless its id is taken; return the one that has the id now, given or earlier.

        Of several callers at once exactly one stores its own (compare the `log_id`).
        """

    async def get(self, keys: Sequence[ChannelKey]) -> Sequence[Channel | None]:
        """The channels, in the order of the keys; None: there is none. Each is the latest that was stored."""

    async def begin_change(self, channel: Channel) -> bool:
        """Compare and set: record a channel as its pending change, which made `version`, leaves it.

        Recorded are the fields, the count of members, who blocked whom, and whether it is deleted; and only if the channel
        has the version before and no change pending. True: it is recorded, now or by an earlier try. False: another
        change was first, or the change is done already; read again.
        """

    async def end_change(self, key: ChannelKey, version: int) -> None:
        """Clear the mark of the pending change that made `version`. If that one is not pending, nothing happens."""

    async def with_pending_change(self, limit: int) -> Sequence[ChannelKey]:
        """At most `limit` channels of all applications: all that have a pending change are named, possibly others too."""
