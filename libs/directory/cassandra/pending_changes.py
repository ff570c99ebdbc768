"""The table `pending_changes`: which versions of which channels may be pending.

An entry is there before its change can begin, and stays until that version is known to be over, which it is for ever. So it
does no harm when an entry comes back, or comes late, and none when the clock that stamps its deletion is wrong: at worst an
entry is looked at once more. (A timestamp made of the version would do harm: compaction drops a tombstone only when all that
its partition holds elsewhere is younger, and as every new channel begins with version 1, it never would be.)
"""

import zlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from typing import cast

from libs.cassandra import Statement
from libs.directory.cassandra.calls import Calls, each
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import ChannelKey

_BUCKETS = 16
"""Partitions that the entries are spread over; a look reads them all. Part of what is stored: it never changes."""

_ADD = Statement("INSERT INTO ks.pending_changes (bucket, application_id, channel_id, version) VALUES (?, ?, ?, ?)")
_REMOVE = Statement(
    "DELETE FROM ks.pending_changes WHERE bucket = ? AND application_id = ? AND channel_id = ? AND version = ?"
)
_LIST = Statement("SELECT application_id, channel_id, version FROM ks.pending_changes WHERE bucket = ?")
_PAGE_ROWS = 200

Entry = tuple[ChannelKey, int]


class PendingChanges:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def add(self, key: ChannelKey, version: int) -> None:
        await self._calls.write(_ADD, [(_bucket(key), *key, version)])

    async def remove(self, entries: Iterable[Entry]) -> None:
        """Remove entries of versions that are over. One that stays is found again, and removed then."""

        async def remove(entry: Entry) -> None:
            key, version = entry
            await self._calls.write(_REMOVE, [(_bucket(key), *key, version)])

        with suppress(DirectoryUnavailable):
            await each(remove, entries)

    async def pages(self) -> AsyncGenerator[list[Entry], None]:
        """All entries. To be closed where it is not read to its end."""
        for bucket in range(_BUCKETS):
            async with aclosing(self._calls.pages(_LIST, (bucket,), _PAGE_ROWS)) as pages:
                async for page in pages:
                    yield [_entry(*cast("tuple[str, str, int]", row)) for row in page]


def _bucket(key: ChannelKey) -> int:
    return zlib.crc32("\0".join(key).encode()) % _BUCKETS


def _entry(application_id: str, channel_id: str, version: int) -> Entry:
    return ChannelKey(application_id, channel_id), version
