"""ApplicationStore on Cassandra."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.applications import Application, Key
from libs.directory.cassandra.calls import Calls
from libs.directory.errors import DirectoryUnavailable
from libs.directory.key_rows import KEY, key_of, values_of_key

_APPLICATION = "application_id, name, page_token_secret, create_time_ms, users_may_search, guests_allowed"
_GET = Statement(f"SELECT {_APPLICATION} FROM ks.applications WHERE application_id = ?")
_CREATE = Statement(f"INSERT INTO ks.applications ({_APPLICATION}) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS")
_ALLOW_SEARCH = Statement("UPDATE ks.applications SET users_may_search = ? WHERE application_id = ? IF EXISTS")
_ALLOW_GUESTS = Statement("UPDATE ks.applications SET guests_allowed = ? WHERE application_id = ? IF EXISTS")

_KEY = ", ".join(KEY)
_GET_KEY = Statement(f"SELECT {_KEY} FROM ks.application_keys WHERE application_id = ? AND key_id = ?")
_CREATE_KEY = Statement(f"INSERT INTO ks.application_keys ({_KEY}) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS")
_WITHDRAW_KEY = Statement(
    "UPDATE ks.application_keys SET withdrawn = true WHERE application_id = ? AND key_id = ? IF EXISTS"
)


class CassandraApplications:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, application: Application) -> Application:
        values = (
            application.application_id,
            application.name,
            application.page_token_secret,
            application.create_time_ms,
            application.users_may_search,
            application.guests_allowed,
        )
        return _application(await self._calls.create(_CREATE, values, _GET, (application.application_id,)))

    async def get(self, application_id: str) -> Application | None:
        rows = await self._calls.read(_GET, (application_id,))
        return _application(rows[0]) if rows else None

    async def allow_search(self, application_id: str, *, allowed: bool) -> None:
        if await self._calls.compare_and_set(_ALLOW_SEARCH, (allowed, application_id)) is None:
            raise DirectoryUnavailable(writing=True)

    async def allow_guests(self, application_id: str, *, allowed: bool) -> None:
        if await self._calls.compare_and_set(_ALLOW_GUESTS, (allowed, application_id)) is None:
            raise DirectoryUnavailable(writing=True)

    async def create_key(self, key: Key) -> Key:
        name = (key.application_id, key.key_id)
        return key_of(await self._calls.create(_CREATE_KEY, values_of_key(key), _GET_KEY, name))

    async def get_key(self, application_id: str, key_id: str) -> Key | None:
        rows = await self._calls.read(_GET_KEY, (application_id, key_id))
        return key_of(rows[0]) if rows else None

    async def withdraw_key(self, application_id: str, key_id: str) -> None:
        if await self._calls.compare_and_set(_WITHDRAW_KEY, (application_id, key_id)) is None:
            raise DirectoryUnavailable(writing=True)


def _application(row: Values) -> Application:
    application_id, name, page_token_secret, create_time_ms, users_may_search, guests_allowed = cast(
        "tuple[str, str, bytes, int, bool | None, bool | None]", row
    )
    return Application(
        application_id, name, page_token_secret, create_time_ms, bool(users_may_search), bool(guests_allowed)
    )
