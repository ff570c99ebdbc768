"""MemberStore on Cassandra: the same rows by channel and by user. Their cells carry the version as timestamp.

A row is written by channel first, so whoever is listed is let in. In between, and after a crash in between, the two tables
differ; the change is pending then, and whoever finishes it writes both again.
"""
# ruff: noqa: S608 - statements are put together from the constants here; values are bound

from collections.abc import Sequence
from contextlib import aclosing
from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.partitions import LookUp, by_partition
from libs.directory.keys import ChannelKey, MemberKey, UserKey
from libs.directory.members import Member, MemberRole, MemberState

_MEMBER = "application_id, channel_id, user_id, state, role, join_time_ms, version"
_WRITE = f"({_MEMBER}) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
_WRITE_BY_CHANNEL = Statement(f"INSERT INTO ks.members {_WRITE}")
_WRITE_BY_USER = Statement(f"INSERT INTO ks.channels_of_user {_WRITE}")

_OF_CHANNEL = f"SELECT {_MEMBER} FROM ks.members WHERE application_id = ? AND channel_id = ?"
_OF_USER = f"SELECT {_MEMBER} FROM ks.channels_of_user WHERE application_id = ? AND user_id = ?"
_LIST_OF_CHANNEL = Statement(f"{_OF_CHANNEL} AND user_id > ?")
_LIST_OF_USER = Statement(_OF_USER)
_GET_BY_CHANNEL = LookUp(_OF_CHANNEL, "user_id")
_GET_BY_USER = LookUp(_OF_USER, "channel_id")

_PAGE_ROWS = 100, 1_000
"""Least and most. Those who left are in the way, so even a short list reads some rows at a time."""


class CassandraMembers:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def put(self, members: Sequence[Member]) -> None:
        async def write_by_channel(group: tuple[ChannelKey, Sequence[Member]]) -> None:
            await self._calls.write(_WRITE_BY_CHANNEL, [_values(member) for member in group[1]])

        async def write_by_user(group: tuple[UserKey, Sequence[Member]]) -> None:
            await self._calls.write(_WRITE_BY_USER, [_values(member) for member in group[1]])

        await each(write_by_channel, by_partition(lambda member: member.key.channel, members))
        await each(write_by_user, by_partition(lambda member: _user(member.key), members))

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Member | None]:
        channels, users = {key.channel for key in keys}, {_user(key) for key in keys}
        if len(channels) <= len(users):
            rows = await _GET_BY_CHANNEL.rows(self._calls, ((key.channel, key.user_id) for key in keys))
        else:  # somebody's many channels
            rows = await _GET_BY_USER.rows(self._calls, ((_user(key), key.channel_id) for key in keys))
        found = {member.key: member for member in map(_member, rows)}
        return [found.get(key) for key in keys]

    async def of_channel(self, channel: ChannelKey, after_user_id: str, limit: int) -> Sequence[Member]:
        found: list[Member] = []
        least, most = _PAGE_ROWS
        page_rows = min(max(limit, least), most)
        async with aclosing(self._calls.pages(_LIST_OF_CHANNEL, (*channel, after_user_id), page_rows)) as pages:
            async for page in pages:
                found += [member for member in map(_member, page) if member.state is MemberState.ACTIVE]
                if len(found) >= limit:
                    break
        return found[:limit]

    async def of_user(self, user: UserKey) -> Sequence[Member]:
        members = map(_member, await self._calls.read(_LIST_OF_USER, user))
        return [member for member in members if member.state is MemberState.ACTIVE]


def _user(key: MemberKey) -> UserKey:
    return UserKey(key.application_id, key.user_id)


def _values(member: Member) -> Values:
    return (*member.key, member.state, member.role, member.join_time_ms, member.version, member.version)


def _member(row: Values) -> Member:
    application_id, channel_id, user_id, state, role, join_time_ms, version = cast(
        "tuple[str, str, str, int, int, int, int]", row
    )
    return Member(
        key=MemberKey(application_id, channel_id, user_id),
        state=MemberState(state),
        role=MemberRole(role),
        join_time_ms=join_time_ms,
        version=version,
    )
