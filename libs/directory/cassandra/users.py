"""UserStore on Cassandra."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from collections.abc import Sequence
from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.partitions import by_partition
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import UserKey
from libs.directory.users import ProfileChange, User

_USER = "application_id, user_id, inbox_log_id, name, avatar_url, create_time_ms"
_OF_KEY = "WHERE application_id = ? AND user_id = ?"
_GET = Statement(f"SELECT {_USER} FROM ks.users {_OF_KEY}")
_CREATE = Statement(f"INSERT INTO ks.users ({_USER}) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS")
_SET_NAME = Statement(f"UPDATE ks.users SET name = ? {_OF_KEY} IF EXISTS")
_SET_AVATAR_URL = Statement(f"UPDATE ks.users SET avatar_url = ? {_OF_KEY} IF EXISTS")
_SET_BOTH = Statement(f"UPDATE ks.users SET name = ?, avatar_url = ? {_OF_KEY} IF EXISTS")


class CassandraUsers:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def create(self, users: Sequence[User]) -> Sequence[User]:
        wanted = {user.key: user for user in reversed(users)}  # of several of one key the first
        made = dict(zip(wanted, await each(self._create, wanted.values()), strict=True))
        return [made[user.key] for user in users]

    async def change_profiles(self, changes: Sequence[ProfileChange]) -> None:
        async def in_order(group: tuple[UserKey, Sequence[ProfileChange]]) -> None:
            for change in group[1]:
                await self._change(change)

        await each(in_order, by_partition(lambda change: change.key, changes))

    async def get(self, keys: Sequence[UserKey]) -> Sequence[User | None]:
        wanted = dict.fromkeys(keys)
        found = dict(zip(wanted, await each(self._get, wanted), strict=True))
        return [found[key] for key in keys]

    async def _create(self, user: User) -> User:
        values = (*user.key, user.inbox_log_id, user.name, user.avatar_url, user.create_time_ms)
        return _user(await self._calls.create(_CREATE, values, _GET, user.key))

    async def _change(self, change: ProfileChange) -> None:
        texts = [text for text in (change.name, change.avatar_url) if text is not None]
        if not texts:
            return
        statement = _SET_BOTH if len(texts) > 1 else _SET_AVATAR_URL if change.name is None else _SET_NAME
        if await self._calls.compare_and_set(statement, (*texts, *change.key)) is None:
            raise DirectoryUnavailable(writing=True)

    async def _get(self, key: UserKey) -> User | None:
        rows = await self._calls.read(_GET, key)
        return _user(rows[0]) if rows else None


def _user(row: Values) -> User:
    application_id, user_id, *rest = row
    key = UserKey(cast("str", application_id), cast("str", user_id))
    return User(key, *cast("tuple[bytes, str, str, int]", rest))
