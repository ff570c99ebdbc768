"""ChannelStore on Cassandra. A channel's row is written by compare-and-set only."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from collections.abc import Sequence
from contextlib import aclosing

from libs.cassandra import Statement
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.pending_changes import Entry, PendingChanges
from libs.directory.channels import Channel
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import ChannelKey
from libs.directory.rows import CHANNEL, CHANNEL_STATE, channel_of, state_of, values_of

_OF_KEY = "WHERE application_id = ? AND channel_id = ?"
_GET = Statement(f"SELECT {', '.join(CHANNEL)} FROM ks.channels {_OF_KEY}")
_CREATE = Statement(
    f"INSERT INTO ks.channels ({', '.join(CHANNEL)}) VALUES ({', '.join('?' * len(CHANNEL))}) IF NOT EXISTS"
)
_BEGIN_CHANGE = Statement(
    f"UPDATE ks.channels SET {', '.join(f'{column} = ?' for column in CHANNEL_STATE)} {_OF_KEY} "
    "IF version = ? AND pending = ''"
)
_END_CHANGE = Statement(f"UPDATE ks.channels SET pending = '' {_OF_KEY} IF version = ?")


class CassandraChannels:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._pending = PendingChanges(calls)

    async def create(self, channel: Channel) -> Channel:
        if channel.pending is not None:
            await self._pending.add(channel.key, channel.version)
        return channel_of(await self._calls.create(_CREATE, values_of(channel), _GET, channel.key))

    async def get(self, keys: Sequence[ChannelKey]) -> Sequence[Channel | None]:
        wanted = dict.fromkeys(keys)
        found = dict(zip(wanted, await each(self._get, wanted), strict=True))
        return [found[key] for key in keys]

    async def begin_change(self, channel: Channel) -> bool:
        key, before = channel.key, channel.version - 1
        await self._pending.add(key, channel.version)
        done = await self._calls.compare_and_set(_BEGIN_CHANGE, (*state_of(channel), *key, before))
        if done:
            return True
        present = await self._get_serial(key)
        if present == channel:
            return True
        if done is None and present is not None and present.version == before and present.pending is None:
            raise DirectoryUnavailable(writing=True)  # it may still begin
        return False

    async def end_change(self, key: ChannelKey, version: int) -> None:
        done = await self._calls.compare_and_set(_END_CHANGE, (*key, version))
        if not done:
            present = await self._get_serial(key)
            if present is None or version > present.version:
                return
            if done is None and present.version == version and present.pending is not None:
                raise DirectoryUnavailable(writing=True)
        await self._pending.remove([(key, version)])

    async def with_pending_change(self, limit: int) -> Sequence[ChannelKey]:
        found: list[ChannelKey] = []
        async with aclosing(self._pending.pages()) as pages:
            async for entries in pages:
                found += await self._still_pending(entries)
                if len(found) >= limit:
                    break
        return found[:limit]

    async def _still_pending(self, entries: Sequence[Entry]) -> list[ChannelKey]:
        """The channels whose change is pending; entries of versions that are over are removed."""
        channels = await self.get([key for key, _ in entries])
        found: list[ChannelKey] = []
        over: list[Entry] = []
        for (key, version), channel in zip(entries, channels, strict=True):
            if channel is None or channel.version < version:
                continue  # about to begin, or never to: nobody can tell
            if channel.version == version and channel.pending is not None:
                found.append(key)
            else:
                over.append((key, version))
        await self._pending.remove(over)
        return found

    async def _get(self, key: ChannelKey) -> Channel | None:
        rows = await self._calls.read(_GET, key)
        return channel_of(rows[0]) if rows else None

    async def _get_serial(self, key: ChannelKey) -> Channel | None:
        """The channel, after every compare-and-set that was begun."""
        rows = await self._calls.read_serial(_GET, key)
        return channel_of(rows[0]) if rows else None
