"""The port of the processes that share the logs."""

from collections.abc import Collection, Mapping
from typing import Protocol


class Ring(Protocol):
    """The processes that share the logs. Each owns some of the shards; see LogStore.shards for those of this one."""

    address: str
    """Of this process; empty: there is no other."""

    def owners(self) -> Mapping[str, Collection[int]]:
        """The shards of each process, by its address, as far as known here; empty: this process has all of them, always."""

    async def hand_over(self, shards: Collection[int], heir: str) -> Mapping[int, int]:
        """Give shards to another process which asks for them, if it is its turn to have them: some, or none.

        Returns those that were given, with their epochs. Those that are asked for again by mistake are not given twice.

        Raises:
            Fenced: this process owns nothing any more, or cannot be sure of it, and is about to end.
        """

    async def leave(self) -> None:
        """Have the others take all shards, for as long as that may take. To be called while they are still served."""


class NoRing:
    """The Ring of an engine with one owner of everything."""

    address = ""

    def owners(self) -> Mapping[str, Collection[int]]:
        return {}

    async def hand_over(self, shards: Collection[int], heir: str) -> Mapping[int, int]:  # noqa: ARG002
        return {}

    async def leave(self) -> None:
        return
