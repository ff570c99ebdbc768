"""ChannelStore on SQLite."""

import sqlite3
from collections.abc import Sequence

import orjson

from libs.directory.changes import Change
from libs.directory.channels import Channel, ChannelKind
from libs.directory.keys import ChannelKey
from libs.directory.sqlite.calls import Calls

_GET = """SELECT application_id, channel_id, log_id, kind, name, creator_user_id, direct_user_ids, create_time_ms,
    member_count, version, pending FROM channels WHERE application_id = ? AND channel_id = ?"""

_Row = tuple[str, str, bytes, int, str, str, str, int, int, int, str]


class SqliteChannels:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, channel: Channel) -> Channel:
        def statements(connection: sqlite3.Connection) -> Channel:
            connection.execute(
                "INSERT INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
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
                ),
            )
            return _channel(connection.execute(_GET, channel.key).fetchone())

        return await self._calls.write(statements)

    async def get(self, keys: Sequence[ChannelKey]) -> Sequence[Channel | None]:
        def query(connection: sqlite3.Connection) -> list[Channel | None]:
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [None if row is None else _channel(row) for row in rows]

        return await self._calls.read(query)

    async def begin_change(self, key: ChannelKey, change: Change, member_count: int) -> bool:
        pending = change.to_json()

        def statements(connection: sqlite3.Connection) -> bool:
            updated = connection.execute(
                """UPDATE channels SET version = ?, member_count = ?, pending = ?
                WHERE application_id = ? AND channel_id = ? AND version = ? AND pending = ''""",
                (change.version, member_count, pending, *key, change.version - 1),
            )
            if updated.rowcount:
                return True
            recorded = connection.execute(
                "SELECT pending FROM channels WHERE application_id = ? AND channel_id = ?", key
            ).fetchone()
            return bool(recorded == (pending,))

        return await self._calls.write(statements)

    async def end_change(self, key: ChannelKey, version: int) -> None:
        await self._calls.execute(
            "UPDATE channels SET pending = '' WHERE application_id = ? AND channel_id = ? AND version = ?",
            [(*key, version)],
        )

    async def with_pending_change(self, limit: int) -> Sequence[ChannelKey]:
        def query(connection: sqlite3.Connection) -> list[ChannelKey]:
            rows = connection.execute(
                "SELECT application_id, channel_id FROM channels WHERE pending != '' LIMIT ?", (limit,)
            )
            return [ChannelKey(*row) for row in rows]

        return await self._calls.read(query)


def _channel(row: _Row) -> Channel:
    application_id, channel_id, log_id, kind, name, creator, direct, create_time_ms, count, version, pending = row
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
