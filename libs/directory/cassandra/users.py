"""UserStore on Cassandra."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from collections.abc import Sequence
from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls, each
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import UserKey
from libs.directory.users import User

_USER = "application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms, version"
_OF_KEY = "WHERE application_id = ? AND user_id = ?"
_GET = Statement(f"SELECT {_USER} FROM ks.users {_OF_KEY}")
_CREATE = Statement(f"INSERT INTO ks.users ({_USER}) VALUES (?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS")
_UPDATE = Statement(
    # the first condition is for rows that are older than the column: where there is no row, its version is null, too
    f"UPDATE ks.users SET name = ?, avatar_url = ?, version = ? {_OF_KEY} IF inbox_log_id != null AND version = ?"
)


class CassandraUsers:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, users: Sequence[User]) -> Sequence[User]:
        wanted = {user.key: user for user in reversed(users)}  # of several of one key the first
        made = dict(zip(wanted, await each(self._create, wanted.values()), strict=True))
        return [made[user.key] for user in users]

    async def update(self, users: Sequence[User]) -> Sequence[bool]:
        return await each(self._update, users)

    async def get(self, keys: Sequence[UserKey]) -> Sequence[User | None]:
        wanted = dict.fromkeys(keys)
        found = dict(zip(wanted, await each(self._get, wanted), strict=True))
        return [found[key] for key in keys]

    async def _create(self, user: User) -> User:
        values = (*user.key, user.inbox_log_id, user.name, user.avatar_url, user.create_time_ms, user.version)
        return _user(await self._calls.create(_CREATE, values, _GET, user.key))

    async def _update(self, user: User) -> bool:
        before = user.version - 1 or None  # a row that is older than the column has none
        done = await self._calls.compare_and_set(_UPDATE, (user.name, user.avatar_url, user.version, *user.key, before))
        if done is None:
            raise DirectoryUnavailable(writing=True)
        return done

    async def _get(self, key: UserKey) -> User | None:
        rows = await self._calls.read(_GET, key)
        return _user(rows[0]) if rows else None


def _user(row: Values) -> User:
    application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms, version = cast(
        "tuple[str, str, bytes, str, str, int, int | None]", row
    )
    return User(UserKey(application_id, user_id), inbox_log_id, name, avatar_url, create_time_ms, version or 0)
