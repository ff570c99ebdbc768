"""PreferenceStore on SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import cast

from libs.directory.keys import MemberKey, UserKey
from libs.directory.preferences import Preferences
from libs.directory.sqlite.calls import Calls

_COLUMNS = "application_id, channel_id, user_id, version, muted, pinned, hidden, hidden_message_count, marked_unread"
_OF_USER = f"SELECT {_COLUMNS} FROM preferences WHERE application_id = ? AND user_id = ?"  # noqa: S608 - our own names
_GET = f"{_OF_USER} AND channel_id = ?"


class SqlitePreferences:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Preferences]:
        def query(connection: sqlite3.Connection) -> list[Preferences]:
            return [_get(connection, key) for key in keys]

        return await self._calls.read(query)

    async def of_user(self, user: UserKey) -> Sequence[Preferences]:
        return await self._calls.read(
            lambda connection: [_preferences(row) for row in connection.execute(_OF_USER, user)]
        )

    async def update(self, preferences: Preferences) -> bool:
        values = (
            *preferences.key,
            preferences.version,
            preferences.muted,
            preferences.pinned,
            preferences.hidden,
            preferences.hidden_message_count,
            preferences.marked_unread,
        )

        def statements(connection: sqlite3.Connection) -> bool:
            present = _get(connection, preferences.key)
            if present.version == preferences.version - 1:
                connection.execute(
                    f"INSERT OR REPLACE INTO preferences ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                    values,
                )
                return True
            return present == preferences

        return await self._calls.write(statements)


def _get(connection: sqlite3.Connection, key: MemberKey) -> Preferences:
    row = connection.execute(_GET, (key.application_id, key.user_id, key.channel_id)).fetchone()
    return Preferences(key) if row is None else _preferences(row)


def _preferences(row: tuple[object, ...]) -> Preferences:
    application_id, channel_id, user_id, version, muted, pinned, hidden, count, unread = cast(
        "tuple[str, str, str, int, int, int, int, int, int]", row
    )
    key = MemberKey(application_id, channel_id, user_id)
    return Preferences(key, version, bool(muted), bool(pinned), bool(hidden), count, bool(unread))
