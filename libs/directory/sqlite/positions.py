"""PositionStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.keys import MemberKey
from libs.directory.positions import Position
from libs.directory.sqlite.calls import Calls

_GET = """SELECT read_seq, read_message_count FROM positions
    WHERE application_id = ? AND channel_id = ? AND user_id = ?"""


class SqlitePositions:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advance(self, positions: Sequence[Position]) -> None:
        await self._calls.execute(
            """INSERT INTO positions (application_id, channel_id, user_id, read_seq, read_message_count)
            VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
            SET read_seq = excluded.read_seq, read_message_count = excluded.read_message_count
            WHERE excluded.read_seq > positions.read_seq""",
            [(*position.key, position.read_seq, position.read_message_count) for position in positions],
        )

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        def query(connection: sqlite3.Connection) -> list[Position]:
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [Position(key, *(row or (0, 0))) for key, row in zip(keys, rows, strict=True)]

        return await self._calls.read(query)
