"""PreferenceStore on Cassandra. Rows are written by compare-and-set only."""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from collections.abc import Sequence
from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls
from libs.directory.cassandra.partitions import LookUp
from libs.directory.errors import DirectoryUnavailable
from libs.directory.keys import MemberKey, UserKey
from libs.directory.preferences import Preferences

_COLUMNS = "application_id, channel_id, user_id, version, muted, pinned, hidden, hidden_message_count, marked_unread"
_OF_USER = f"SELECT {_COLUMNS} FROM ks.preferences WHERE application_id = ? AND user_id = ?"
_LIST = Statement(_OF_USER)
_GET = LookUp(_OF_USER, "channel_id")
_GET_ONE = Statement(f"{_OF_USER} AND channel_id = ?")
_CREATE = Statement(f"INSERT INTO ks.preferences ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS")
_UPDATE = Statement(
    "UPDATE ks.preferences SET version = ?, muted = ?, pinned = ?, hidden = ?, hidden_message_count = ?, "
    "marked_unread = ? WHERE application_id = ? AND channel_id = ? AND user_id = ? IF version = ?"
)


class CassandraPreferences:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Preferences]:
        rows = await _GET.rows(self._calls, (((key.application_id, key.user_id), key.channel_id) for key in keys))
        found = {preferences.key: preferences for preferences in map(_preferences, rows)}
        return [found.get(key) or Preferences(key) for key in keys]

    async def of_user(self, user: UserKey) -> Sequence[Preferences]:
        return [_preferences(row) for row in await self._calls.read(_LIST, user)]

    async def update(self, preferences: Preferences) -> bool:
        key, before = preferences.key, preferences.version - 1
        values = (
            preferences.version,
            preferences.muted,
            preferences.pinned,
            preferences.hidden,
            preferences.hidden_message_count,
            preferences.marked_unread,
        )
        if before:
            done = await self._calls.compare_and_set(_UPDATE, (*values, *key, before))
        else:
            done = await self._calls.compare_and_set(_CREATE, (*key, *values))
        if done:
            return True
        rows = await self._calls.read_serial(_GET_ONE, (key.application_id, key.user_id, key.channel_id))
        present = _preferences(rows[0]) if rows else Preferences(key)
        if done is None and present.version == before:
            raise DirectoryUnavailable(writing=True)  # it may still be stored
        return present == preferences


def _preferences(row: Values) -> Preferences:
    application_id, channel_id, user_id, version, muted, pinned, hidden, count, unread = cast(
        "tuple[str, str, str, int, bool, bool, bool, int, bool]", row
    )
    return Preferences(
        MemberKey(application_id, channel_id, user_id), version, muted, pinned, hidden, count, marked_unread=unread
    )
