"""ChannelStore on SQLite."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

import sqlite3
from collections.abc import Sequence

from libs.directory.channels import Channel
from libs.directory.keys import ChannelKey
from libs.directory.rows import CHANNEL, CHANNEL_STATE, channel_of, state_of, values_of
from libs.directory.sqlite.calls import Calls

_OF_KEY = "WHERE application_id = ? AND channel_id = ?"
_GET = f"SELECT {', '.join(CHANNEL)} FROM channels {_OF_KEY}"
_CREATE = f"INSERT INTO channels ({', '.join(CHANNEL)}) VALUES ({', '.join('?' * len(CHANNEL))}) ON CONFLICT DO NOTHING"
_BEGIN_CHANGE = (
    f"UPDATE channels SET {', '.join(f'{column} = ?' for column in CHANNEL_STATE)} {_OF_KEY} "
    "AND version = ? AND pending = ''"
)


class SqliteChannels:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, channel: Channel) -> Channel:
        def statements(connection: sqlite3.Connection) -> Channel:
            connection.execute(_CREATE, values_of(channel))
            return channel_of(connection.execute(_GET, channel.key).fetchone())

        return await self._calls.write(statements)

    async def get(self, keys: Sequence[ChannelKey]) -> Sequence[Channel | None]:
        def query(connection: sqlite3.Connection) -> list[Channel | None]:
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [None if row is None else channel_of(row) for row in rows]

        return await self._calls.read(query)

    async def begin_change(self, channel: Channel) -> bool:
        def statements(connection: sqlite3.Connection) -> bool:
            values = (*state_of(channel), *channel.key, channel.version - 1)
            if connection.execute(_BEGIN_CHANGE, values).rowcount:
                return True
            row = connection.execute(_GET, channel.key).fetchone()
            return row is not None and channel_of(row) == channel

        return await self._calls.write(statements)

    async def end_change(self, key: ChannelKey, version: int) -> None:
        await self._calls.execute(f"UPDATE channels SET pending = '' {_OF_KEY} AND version = ?", [(*key, version)])

    async def with_pending_change(self, limit: int) -> Sequence[ChannelKey]:
        def query(connection: sqlite3.Connection) -> list[ChannelKey]:
            rows = connection.execute(
                "SELECT application_id, channel_id FROM channels WHERE pending != '' LIMIT ?", (limit,)
            )
            return [ChannelKey(*row) for row in rows]

        return await self._calls.read(query)
