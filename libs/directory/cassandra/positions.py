"""PositionStore on Cassandra. A cell carries its seq as timestamp: so the highest of each kind is kept, and a row is never deleted,
because the tombstone would swallow positions that come later."""

from collections.abc import Sequence
from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.partitions import LookUp, by_partition
from libs.directory.keys import MemberKey, UserKey
from libs.directory.positions import Position

_ADVANCE = Statement(
    "INSERT INTO ks.positions (application_id, user_id, channel_id, read_seq, read_message_count) VALUES (?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_ADVANCE_DELIVERED = Statement(
    "INSERT INTO ks.positions (application_id, user_id, channel_id, delivered_seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
)
_GET = LookUp(
    "SELECT application_id, channel_id, user_id, read_seq, read_message_count, delivered_seq FROM ks.positions "
    "WHERE application_id = ? AND user_id = ?",
    "channel_id",
)


class CassandraPositions:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advance(self, positions: Sequence[Position]) -> None:
        async def write(group: tuple[UserKey, Sequence[Position]]) -> None:
            user, its_positions = group
            read: list[Values] = [
                (*user, position.key.channel_id, position.read_seq, position.read_message_count, position.read_seq)
                for position in its_positions
                if position.read_seq
            ]
            delivered: list[Values] = [
                (*user, position.key.channel_id, position.delivered_seq, position.delivered_seq)
                for position in its_positions
                if position.delivered_seq > position.read_seq
            ]
            for statement, rows in ((_ADVANCE, read), (_ADVANCE_DELIVERED, delivered)):
                if rows:
                    await self._calls.write(statement, rows)

        await each(write, by_partition(lambda position: _user(position.key), positions))

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        found: dict[MemberKey, Position] = {}
        for row in await _GET.rows(self._calls, ((_user(key), key.channel_id) for key in keys)):
            application_id, channel_id, user_id, read_seq, count, delivered_seq = cast(
                "tuple[str, str, str, int | None, int | None, int | None]", row
            )
            key = MemberKey(application_id, channel_id, user_id)
            found[key] = Position(key, read_seq or 0, count or 0, max(read_seq or 0, delivered_seq or 0))
        return [found.get(key) or Position(key, 0, 0) for key in keys]


def _user(key: MemberKey) -> UserKey:
    return UserKey(key.application_id, key.user_id)
