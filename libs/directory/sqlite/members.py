"""MemberStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member, MemberRole, MemberState
from libs.directory.sqlite.calls import Calls

_SELECT = "SELECT application_id, channel_id, user_id, state, role, join_time_ms, version FROM members "

_Row = tuple[str, str, str, int, int, int, int]


class SqliteMembers:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def put(self, members: Sequence[Member]) -> None:
        await self._calls.execute(
            """INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
            SET state = excluded.state, role = excluded.role, join_time_ms = excluded.join_time_ms,
                version = excluded.version
            WHERE excluded.version > members.version""",
            [(*member.key, member.state, member.role, member.join_time_ms, member.version) for member in members],
        )

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Member | None]:
        statement = _SELECT + "WHERE application_id = ? AND channel_id = ? AND user_id = ?"

        def query(connection: sqlite3.Connection) -> list[Member | None]:
            rows = (connection.execute(statement, key).fetchone() for key in keys)
            return [None if row is None else _member(row) for row in rows]

        return await self._calls.read(query)

    async def of_channel(self, channel: ChannelKey, after_user_id: str, limit: int) -> Sequence[Member]:
        def query(connection: sqlite3.Connection) -> list[Member]:
            rows = connection.execute(
                _SELECT + "WHERE application_id = ? AND channel_id = ? AND user_id > ? AND state = ?"
                " ORDER BY user_id LIMIT ?",
                (*channel, after_user_id, MemberState.ACTIVE, limit),
            )
            return [_member(row) for row in rows]

        return await self._calls.read(query)

    async def of_user(self, user: UserKey) -> Sequence[Member]:
        def query(connection: sqlite3.Connection) -> list[Member]:
            rows = connection.execute(
                # named, because SQLite would rather read every membership of the application (35 ms for 100,000)
                _SELECT + "INDEXED BY members_by_user WHERE application_id = ? AND user_id = ? AND state = ?",
                (*user, MemberState.ACTIVE),
            )
            return [_member(row) for row in rows]

        return await self._calls.read(query)


def _member(row: _Row) -> Member:
    application_id, channel_id, user_id, state, role, join_time_ms, version = row
    return Member(
        key=MemberKey(application_id, channel_id, user_id),
        state=MemberState(state),
        role=MemberRole(role),
        join_time_ms=join_time_ms,
        version=version,
    )
