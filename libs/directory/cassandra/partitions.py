"""Many rows, few requests: what lies in one partition is read and written together."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls, each

Item = TypeVar("Item")
Partition = TypeVar("Partition", bound=Hashable)

ROWS_AT_ONCE = 100
"""In a batch or a look-up. A row of the directory has at most a few hundred bytes, so a batch stays below 64 KiB."""

_SIZES = (1, 10, ROWS_AT_ONCE)


def by_partition(
    partition: Callable[[Item], Partition], items: Iterable[Item]
) -> Iterator[tuple[Partition, Sequence[Item]]]:
    """The items of each partition, at most ROWS_AT_ONCE together."""
    found: dict[Partition, list[Item]] = {}
    for item in items:
        found.setdefault(partition(item), []).append(item)
    for each_partition, its_items in found.items():
        for start in range(0, len(its_items), ROWS_AT_ONCE):
            yield each_partition, its_items[start : start + ROWS_AT_ONCE]


class LookUp:
    """Reads rows of partitions by the last part of their keys."""

    def __init__(self, select: str, column: str) -> None:
        """`select` names the whole partition, with `?` for each part of its key."""
        self._statements = {size: Statement(f"{select} AND {column} IN ({', '.join('?' * size)})") for size in _SIZES}

    async def rows(self, calls: Calls, keys: Iterable[tuple[tuple[str, ...], str]]) -> list[Values]:
        """Those rows that exist of the given (partition, last part of the key), in no order."""

        async def read(group: tuple[tuple[str, ...], Sequence[tuple[tuple[str, ...], str]]]) -> list[Values]:
            partition, its_keys = group
            names = [name for _, name in its_keys]
            size = next(size for size in _SIZES if size >= len(names))
            padded = names + names[-1:] * (size - len(names))  # a few sizes, so a few statements to prepare
            return await calls.read(self._statements[size], (*partition, *padded))

        found = await each(read, by_partition(lambda key: key[0], dict.fromkeys(keys)))
        return [row for rows in found for row in rows]
