"""ApplicationStore on SQLite."""
# ruff: noqa: S608 - statements are put together from the constants here and those of key_rows; values are bound

import sqlite3

from libs.directory.applications import Application, Key
from libs.directory.key_rows import KEY, key_of, values_of_key
from libs.directory.sqlite.calls import Calls

_COLUMNS = "application_id, name, page_token_secret, create_time_ms, users_may_search, guests_allowed"
_GET = f"SELECT {_COLUMNS} FROM applications WHERE application_id = ?"
_KEY = ", ".join(KEY)
_GET_KEY = f"SELECT {_KEY} FROM keys WHERE application_id = ? AND key_id = ?"
_CREATE_KEY = f"INSERT INTO keys ({_KEY}) VALUES ({', '.join('?' * len(KEY))}) ON CONFLICT DO NOTHING"


class SqliteApplications:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, application: Application) -> Application:
        def statements(connection: sqlite3.Connection) -> Application:
            connection.execute(
                f"INSERT INTO applications ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    application.application_id,
                    application.name,
                    application.page_token_secret,
                    application.create_time_ms,
                    application.users_may_search,
                    application.guests_allowed,
                ),
            )
            return _application(connection.execute(_GET, (application.application_id,)).fetchone())

        return await self._calls.write(statements)

    async def get(self, application_id: str) -> Application | None:
        row = await self._calls.read(lambda connection: connection.execute(_GET, (application_id,)).fetchone())
        return None if row is None else _application(row)

    async def allow_search(self, application_id: str, *, allowed: bool) -> None:
        await self._calls.execute(
            "UPDATE applications SET users_may_search = ? WHERE application_id = ?", [(allowed, application_id)]
        )

    async def allow_guests(self, application_id: str, *, allowed: bool) -> None:
        await self._calls.execute(
            "UPDATE applications SET guests_allowed = ? WHERE application_id = ?", [(allowed, application_id)]
        )

    async def create_key(self, key: Key) -> Key:
        def statements(connection: sqlite3.Connection) -> Key:
            connection.execute(_CREATE_KEY, values_of_key(key))
            return key_of(connection.execute(_GET_KEY, (key.application_id, key.key_id)).fetchone())

        return await self._calls.write(statements)

    async def get_key(self, application_id: str, key_id: str) -> Key | None:
        row = await self._calls.read(
            lambda connection: connection.execute(_GET_KEY, (application_id, key_id)).fetchone()
        )
        return None if row is None else key_of(row)

    async def withdraw_key(self, application_id: str, key_id: str) -> None:
        await self._calls.execute(
            "UPDATE keys SET withdrawn = 1 WHERE application_id = ? AND key_id = ?", [(application_id, key_id)]
        )


def _application(row: tuple[str, str, bytes, int, int, int]) -> Application:
    application_id, name, page_token_secret, create_time_ms, users_may_search, guests_allowed = row
    return Application(
        application_id, name, page_token_secret, create_time_ms, bool(users_may_search), bool(guests_allowed)
    )
