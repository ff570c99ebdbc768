"""Which shards a process owns. They may come and go while it runs."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from libs.log_store.errors import NotOwner

_LOOK_SECONDS = 0.002  # appends take some milliseconds


class Shards:
    """The shards of a process. What this says holds until the next await.

    A shard is given away in steps: it is `closed` to new work, its appends come to their end, it is `ended`, which makes
    answers void that are still being made from memory, and in the end `lost`. Until it is lost it may be `opened` again.
    """

    def __init__(self, owned: Iterable[int] = ()) -> None:
        self.where: Callable[[int], str] = lambda _: ""
        """The address of the owner of a shard that is not ours; empty: not known."""
        self._tenures: dict[int, object] = {}
        """Of those that are ours; a new one each time that a shard comes."""
        self._open: set[int] = set()
        self._appending: Counter[int] = Counter()
        self._when_lost: list[Callable[[Collection[int]], None]] = []
        self.opened(owned)

    def __iter__(self) -> Iterator[int]:
        """Those that are ours."""
        return iter(self._tenures)

    def is_open(self, shard: int) -> bool:
        """Whether it is ours and new work is taken."""
        return shard in self._open

    def tenure(self, shard: int) -> object | None:
        """Something that is the same for as long as the shard is ours without a break; None: it is not, or about to be lost."""
        return self._tenures.get(shard)

    def refuse(self, shard: int) -> NotOwner:
        """What to tell who asks for a shard that is not open."""
        return NotOwner(shard, self.where(shard))

    @contextmanager
    def appending(self, shards: Collection[int]) -> Iterator[None]:
        """Keeps shards that are ours from being given away while the body runs; new work is to look first whether they are
        open.

        Raises:
            NotOwner: one is not ours.
        """
        for shard in shards:
            if shard not in self._tenures:
                raise self.refuse(shard)
        self._appending.update(shards)
        try:
            yield
        finally:
            self._appending.subtract(shards)

    @contextmanager
    def reading(self, shards: Collection[int]) -> Iterator[None]:
        """For answers from memory, or of heads: they hold if the shards are ours without a break while the body runs.

        Raises:
            NotOwner: they are not.
        """
        tenures: Mapping[int, object] = {shard: self._tenures.get(shard) for shard in shards}
        for shard in shards:
            if shard not in self._open:
                raise self.refuse(shard)
        yield
        for shard, tenure in tenures.items():
            if self._tenures.get(shard) is not tenure:
                raise self.refuse(shard)

    def opened(self, shards: Iterable[int]) -> None:
        """They are ours, or will not be given away after all."""
        for shard in shards:
            self._tenures.setdefault(shard, object())
            self._open.add(shard)

    def closed(self, shards: Collection[int]) -> None:
        """They are about to be given away."""
        self._open.difference_update(shards)

    async def appended(self, shards: Collection[int]) -> None:
        """Wait until nothing is being appended to them."""
        while any(self._appending[shard] for shard in shards):  # noqa: ASYNC110 - an event would cost every append
            await asyncio.sleep(_LOOK_SECONDS)

    def ended(self, shards: Collection[int]) -> None:
        """From now on nothing that depends on them is true any more."""
        for shard in shards:
            del self._tenures[shard]

    def lost(self, shards: Collection[int]) -> None:
        """They are another's: forget what is known of their logs."""
        for forget in self._when_lost:
            forget(shards)

    def when_lost(self, forget: Callable[[Collection[int]], None]) -> None:
        """Have `forget` be called with shards that were lost."""
        self._when_lost.append(forget)
