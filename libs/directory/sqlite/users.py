"""UserStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.keys import UserKey
from libs.directory.sqlite.calls import Calls
from libs.directory.users import User

_COLUMNS = "application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms, version"
_GET = f"SELECT {_COLUMNS} FROM users WHERE application_id = ? AND user_id = ?"  # noqa: S608 - our own names


class SqliteUsers:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, users: Sequence[User]) -> Sequence[User]:
        def statements(connection: sqlite3.Connection) -> list[User]:
            connection.executemany(
                f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",  # noqa: S608
                [
                    (*user.key, user.inbox_log_id, user.name, user.avatar_url, user.create_time_ms, user.version)
                    for user in users
                ],
            )
            return [_user(connection.execute(_GET, user.key).fetchone()) for user in users]

        return await self._calls.write(statements)

    async def update(self, users: Sequence[User]) -> Sequence[bool]:
        statement = """UPDATE users SET name = ?, avatar_url = ?, version = ?
            WHERE application_id = ? AND user_id = ? AND version = ?"""

        def statements(connection: sqlite3.Connection) -> list[bool]:
            values = ((u.name, u.avatar_url, u.version, *u.key, u.version - 1) for u in users)
            return [bool(connection.execute(statement, value).rowcount) for value in values]

        return await self._calls.write(statements)

    async def get(self, keys: Sequence[UserKey]) -> Sequence[User | None]:
        def query(connection: sqlite3.Connection) -> list[User | None]:
            rows = (connection.execute(_GET, key).fetchone() for key in keys)
            return [None if row is None else _user(row) for row in rows]

        return await self._calls.read(query)


def _user(row: tuple[str, str, bytes, str, str, int, int]) -> User:
    application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms, version = row
    return User(UserKey(application_id, user_id), inbox_log_id, name, avatar_url, create_time_ms, version)
