"""RevocationStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.revocations import TokenHolder
from libs.directory.sqlite.calls import Calls

_GET = "SELECT issued_before_ms FROM token_revocations WHERE application_id = ? AND user_id = ? AND session_id = ?"


class SqliteRevocations:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advance(self, holder: TokenHolder, issued_before_ms: int) -> None:
        await self._calls.execute(
            """INSERT INTO token_revocations (application_id, user_id, session_id, issued_before_ms) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET issued_before_ms = max(excluded.issued_before_ms, issued_before_ms)""",
            [(*holder, issued_before_ms)],
        )

    async def get(self, holders: Sequence[TokenHolder]) -> Sequence[int]:
        def query(connection: sqlite3.Connection) -> list[int]:
            rows = (connection.execute(_GET, holder).fetchone() for holder in holders)
            return [0 if row is None else row[0] for row in rows]

        return await self._calls.read(query)
