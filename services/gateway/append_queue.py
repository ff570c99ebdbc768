"""Writes that wait, by shard: each shard's go to its owner in the order in which they came, and no more than one batch of it is
under way, so that none overtakes another when the shard changes hands."""

from collections import deque
from collections.abc import Callable, Collection, Sequence

from services.gateway.appends import Append

_WHOLE_ITEMS = 32
"""So many go in one batch. Of more, half stays for the next: while the owner writes one, its clients and we are at the other,
instead of all waiting for each other (W3 with joined frames)."""


class AppendQueue:
    """Gives out batches for owners, and blocks their shards until they are released."""

    def __init__(self, owner_of: Callable[[int], str]) -> None:
        self._owner_of = owner_of
        self._waiting: dict[int, deque[Append]] = {}
        self._blocked: set[int] = set()

    def put(self, append: Append) -> None:
        waiting = self._waiting.get(append.shard)
        if waiting is None:
            waiting = self._waiting[append.shard] = deque()
        waiting.append(append)

    def put_first(self, appends: Sequence[Append]) -> None:
        """Have some go before all that waits; they are of one log."""
        if appends:
            self._waiting.setdefault(appends[0].shard, deque()).extendleft(reversed(appends))

    def owners(self) -> set[str]:
        """Those for whom something waits that may go."""
        return {self._owner_of(shard) for shard in self._waiting if shard not in self._blocked}

    def take(self, owner: str, max_items: int, max_bytes: int) -> list[Append]:
        """What waits for an owner, in the order in which it came to each shard. Empty: nothing waits that may go."""
        shards = [shard for shard in self._waiting if shard not in self._blocked and self._owner_of(shard) == owner]
        max_items = min(max_items, max(_WHOLE_ITEMS, sum(len(self._waiting[shard]) for shard in shards) // 2))
        batch: list[Append] = []
        size = 0
        for shard in shards:
            if len(batch) >= max_items or size >= max_bytes:
                break
            self._blocked.add(shard)
            waiting = self._waiting.pop(shard)
            while waiting and len(batch) < max_items and size < max_bytes:
                append = waiting.popleft()
                batch.append(append)
                size += append.size
            if waiting:  # from now on it is behind the other shards
                self._waiting[shard] = waiting
        return batch

    def release(self, shards: Collection[int]) -> None:
        """What waits behind a batch may go."""
        self._blocked.difference_update(shards)
