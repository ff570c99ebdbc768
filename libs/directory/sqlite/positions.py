"""PositionStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.keys import MemberKey
from libs.directory.positions import Position
from libs.directory.sqlite.calls import Calls

_GET = """SELECT read_seq, read_message_count, max(read_seq, delivered_seq) FROM positions
    WHERE application_id = ? AND channel_id = ? AND user_id = ?"""


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
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [Position(key, *(row or (0, 0, 0))) for key, row in zip(keys, rows, strict=True)]

        return await self._calls.read(query)
