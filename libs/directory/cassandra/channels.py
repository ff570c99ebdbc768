"""ChannelStore on Cassandra. A channel's row is written by compare-and-set only."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from collections.abc import Sequence
from contextlib import aclosing
from typing import cast

import orjson

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.pending_changes import Entry, PendingChanges
from libs.directory.changes import Change
from libs.directory.channels import Channel, ChannelKind
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import ChannelKey

_CHANNEL = """application_id, channel_id, log_id, kind, name, creator_user_id, direct_user_ids, create_time_ms,
    member_count, version, pending"""
_OF_KEY = "WHERE application_id = ? AND channel_id = ?"
_GET = Statement(f"SELECT {_CHANNEL} FROM ks.channels {_OF_KEY}")
_CREATE = Statement(f"INSERT INTO ks.channels ({_CHANNEL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS")
_GET_STATE = Statement(f"SELECT version, pending FROM ks.channels {_OF_KEY}")
_BEGIN_CHANGE = Statement(
    f"UPDATE ks.channels SET version = ?, member_count = ?, pending = ? {_OF_KEY} IF version = ? AND pending = ''"
)
_END_CHANGE = Statement(f"UPDATE ks.channels SET pending = '' {_OF_KEY} IF version = ?")


class CassandraChannels:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._pending = PendingChanges(calls)

    async def create(self, channel: Channel) -> Channel:
        if channel.pending is not None:
            await self._pending.add(channel.key, channel.version)
        return _channel(await self._calls.create(_CREATE, _values(channel), _GET, channel.key))

    async def get(self, keys: Sequence[ChannelKey]) -> Sequence[Channel | None]:
        wanted = dict.fromkeys(keys)
        found = dict(zip(wanted, await each(self._get, wanted), strict=True))
        return [found[key] for key in keys]

    async def begin_change(self, key: ChannelKey, change: Change, member_count: int) -> bool:
        await self._pending.add(key, change.version)
        pending = change.to_json()
        values = (change.version, member_count, pending, *key, change.version - 1)
        done = await self._calls.compare_and_set(_BEGIN_CHANGE, values)
        if done:
            return True
        state = await self._state(key)
        if state == (change.version, pending):
            return True
        if done is None and state == (change.version - 1, ""):
            raise DirectoryUnavailable(writing=True)  # it may still begin
        return False

    async def end_change(self, key: ChannelKey, version: int) -> None:
        done = await self._calls.compare_and_set(_END_CHANGE, (*key, version))
        if not done:
            state = await self._state(key)
            if state is None or version > state[0]:
                return
            if done is None and state[0] == version and state[1]:
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
        return _channel(rows[0]) if rows else None

    async def _state(self, key: ChannelKey) -> tuple[int, str] | None:
        """The version and the pending change, after every compare-and-set that was begun."""
        rows = await self._calls.read_serial(_GET_STATE, key)
        return cast("tuple[int, str]", tuple(rows[0])) if rows else None


def _values(channel: Channel) -> Values:
    return (
        *channel.key,
        channel.log_id,
        channel.kind,
        channel.name,
        channel.creator_user_id,
        orjson.dumps(channel.direct_user_ids).decode(),
        channel.create_time_ms,
        channel.member_count,
        channel.version,
        channel.pending.to_json() if channel.pending else "",
    )


def _channel(row: Values) -> Channel:
    application_id, channel_id, log_id, kind, name, creator, direct, create_time_ms, count, version, pending = cast(
        "tuple[str, str, bytes, int, str, str, str, int, int, int, str]", row
    )
    return Channel(
        key=ChannelKey(application_id, channel_id),
        log_id=log_id,
        kind=ChannelKind(kind),
        name=name,
        creator_user_id=creator,
        direct_user_ids=tuple(orjson.loads(direct)),
        create_time_ms=create_time_ms,
        member_count=count,
        version=version,
        pending=Change.from_json(pending) if pending else None,
    )
