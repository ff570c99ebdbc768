"""PositionStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.keys import MemberKey
from libs.directory.positions import Position
from libs.directory.sqlite.calls import Calls

_COLUMNS = "read_seq, read_message_count, max(read_seq, delivered_seq)"
_GET = f"SELECT {_COLUMNS} FROM positions WHERE application_id = ? AND channel_id = ? AND user_id = ?"  # noqa: S608 - our own
_OF_USER = f"SELECT channel_id, {_COLUMNS} FROM positions WHERE application_id = ? AND user_id = ?"  # noqa: S608

_MANY = 100
"""From so many channels of one user on, all rows of that user are read: 10,000 look-ups take six times as long."""


class SqlitePositions:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advance(self, positions: Sequence[Position]) -> None:
        await self._calls.execute(
            """INSERT INTO positions (application_id, channel_id, user_id, read_seq, read_message_count, delivered_seq)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                read_message_count = iif(excluded.read_seq > read_seq, excluded.read_message_count, read_message_count),
                read_seq = max(excluded.read_seq, read_seq),
                delivered_seq = max(excluded.delivered_seq, delivered_seq)""",
            [(*p.key, p.read_seq, p.read_message_count, p.delivered_seq) for p in positions],
        )

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        def query(connection: sqlite3.Connection) -> list[Position]:
            users = {(key.application_id, key.user_id) for key in keys}
            if len(users) == 1 and len(keys) >= _MANY:
                of_user = {channel_id: row for channel_id, *row in connection.execute(_OF_USER, users.pop())}
                return [Position(key, *of_user.get(key.channel_id, (0, 0, 0))) for key in keys]
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [Position(key, *(row or (0, 0, 0))) for key, row in zip(keys, rows, strict=True)]

        return await self._calls.read(query)
