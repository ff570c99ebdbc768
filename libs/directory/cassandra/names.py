"""NameStore on Cassandra. Cells carry the version as timestamp.

The entries of a listing are spread over partitions, because an application may have millions of users; a page is merged
from all of them.
"""

import heapq
import zlib
from collections.abc import Sequence
from contextlib import aclosing
from itertools import islice
from typing import cast

from libs.cassandra import Statement
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.partitions import ROWS_AT_ONCE, by_partition
from libs.directory.names import Entry, Listing, Place, end_of

_BUCKETS = 16
"""Partitions of a listing. Part of what is stored: it never changes."""

_PUT = Statement(
    "INSERT INTO ks.names (application_id, listing, bucket, name, item_id, listed) VALUES (?, ?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_PAGE = Statement(
    "SELECT name, item_id, listed FROM ks.names WHERE application_id = ? AND listing = ? AND bucket = ? "
    "AND (name, item_id) > (?, ?) AND (name) < (?)"
)


class CassandraNames:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def put(self, entries: Sequence[Entry]) -> None:
        async def write(group: tuple[tuple[str, Listing, int], Sequence[Entry]]) -> None:
            partition, its_entries = group
            await self._calls.write(
                _PUT, [(*partition, *entry.place, entry.listed, entry.version) for entry in its_entries]
            )

        await each(write, by_partition(lambda e: (e.application_id, e.listing, _bucket(e.place.item_id)), entries))

    async def page(
        self, application_id: str, listing: Listing, prefix: str, after: Place | None, limit: int
    ) -> Sequence[Place]:
        async def read(bucket: int) -> list[Place]:
            values = (application_id, listing, bucket, *(after or (prefix, "")), end_of(prefix))
            found: list[Place] = []
            async with aclosing(self._calls.pages(_PAGE, values, min(limit + 1, ROWS_AT_ONCE))) as pages:
                async for page in pages:
                    rows = cast("Sequence[tuple[str, str, bool]]", page)
                    found += [Place(name, item_id) for name, item_id, listed in rows if listed]
                    if len(found) >= limit:
                        break
            return found

        buckets = await each(read, range(_BUCKETS))
        return list(islice(heapq.merge(*buckets), limit))


def _bucket(item_id: str) -> int:
    return zlib.crc32(item_id.encode()) % _BUCKETS
