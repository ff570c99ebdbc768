"""UserStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.keys import UserKey
from libs.directory.sqlite.calls import Calls
from libs.directory.users import ProfileChange, User

_GET = """SELECT application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms
    FROM users WHERE application_id = ? AND user_id = ?"""


class SqliteUsers:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, users: Sequence[User]) -> Sequence[User]:
        def statements(connection: sqlite3.Connection) -> list[User]:
            connection.executemany(
                "INSERT INTO users VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(*user.key, user.inbox_log_id, user.name, user.avatar_url, user.create_time_ms) for user in users],
            )
            return [_user(connection.execute(_GET, user.key).fetchone()) for user in users]

        return await self._calls.write(statements)

    async def change_profiles(self, changes: Sequence[ProfileChange]) -> None:
        await self._calls.execute(
            """UPDATE users SET name = coalesce(?, name), avatar_url = coalesce(?, avatar_url)
            WHERE application_id = ? AND user_id = ?""",
            [(change.name, change.avatar_url, *change.key) for change in changes],
        )

    async def get(self, keys: Sequence[UserKey]) -> Sequence[User | None]:
        def query(connection: sqlite3.Connection) -> list[User | None]:
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [None if row is None else _user(row) for row in rows]

        return await self._calls.read(query)


def _user(row: tuple[str, str, bytes, str, str, int]) -> User:
    application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms = row
    return User(UserKey(application_id, user_id), inbox_log_id, name, avatar_url, create_time_ms)
