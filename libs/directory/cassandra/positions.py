"""PositionStore on Cassandra. A cell carries the seq as its timestamp: so the highest is kept, and a row is never deleted,
because the tombstone would swallow positions that come later."""

from collections.abc import Sequence
from typing import cast

from libs.cassandra import Statement
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.partitions import LookUp, by_partition
from libs.directory.keys import MemberKey, UserKey
from libs.directory.positions import Position

_ADVANCE = Statement(
    "INSERT INTO ks.positions (application_id, user_id, channel_id, read_seq, read_message_count) VALUES (?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_GET = LookUp(
    "SELECT application_id, channel_id, user_id, read_seq, read_message_count FROM ks.positions "
    "WHERE application_id = ? AND user_id = ?",
    "channel_id",
)


class CassandraPositions:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advance(self, positions: Sequence[Position]) -> None:
        async def write(group: tuple[UserKey, Sequence[Position]]) -> None:
            user, its_positions = group
            rows = [
                (*user, position.key.channel_id, position.read_seq, position.read_message_count, position.read_seq)
                for position in its_positions
            ]
            await self._calls.write(_ADVANCE, rows)

        await each(write, by_partition(lambda position: _user(position.key), positions))

    async def get(self, keys: Sequence[MemberKey]) -> Sequence[Position]:
        found: dict[MemberKey, Position] = {}
        for row in await _GET.rows(self._calls, ((_user(key), key.channel_id) for key in keys)):
            application_id, channel_id, user_id, *read = cast("tuple[str, str, str, int, int]", row)
            key = MemberKey(application_id, channel_id, user_id)
            found[key] = Position(key, *read)
        return [found.get(key) or Position(key, 0, 0) for key in keys]


def _user(key: MemberKey) -> UserKey:
    return UserKey(key.application_id, key.user_id)
