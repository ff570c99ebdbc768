"""NameStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.names import Entry, Listing, Place, end_of
from libs.directory.sqlite.calls import Calls


class SqliteNames:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def put(self, entries: Sequence[Entry]) -> None:
        await self._calls.execute(
            """INSERT INTO names (application_id, listing, name, item_id, version, listed) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET version = excluded.version, listed = excluded.listed
            WHERE excluded.version > names.version""",
            [(entry.application_id, entry.listing, *entry.place, entry.version, entry.listed) for entry in entries],
        )

    async def page(
        self, application_id: str, listing: Listing, prefix: str, after: Place | None, limit: int
    ) -> Sequence[Place]:
        def query(connection: sqlite3.Connection) -> list[Place]:
            rows = connection.execute(
                """SELECT name, item_id FROM names WHERE application_id = ? AND listing = ?
                AND (name, item_id) > (?, ?) AND name < ? AND listed ORDER BY name, item_id LIMIT ?""",
                (application_id, listing, *(after or (prefix, "")), end_of(prefix), limit),
            )
            return [Place(*row) for row in rows]

        return await self._calls.read(query)
