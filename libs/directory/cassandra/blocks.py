"""BlockStore on Cassandra. Cells carry the version as timestamp."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import cast

from libs.cassandra import Statement, Values
from libs.directory.blocks import Block, BlockKey
from libs.directory.cassandra.calls import Calls, each
from libs.directory.cassandra.partitions import ROWS_AT_ONCE, LookUp, by_partition
from libs.directory.keys import UserKey

_PUT = Statement(
    "INSERT INTO ks.blocks (application_id, user_id, blocked_user_id, blocked, version) VALUES (?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_OF_USER = (
    "SELECT application_id, user_id, blocked_user_id, blocked, version FROM ks.blocks "
    "WHERE application_id = ? AND user_id = ?"
)
_LIST = Statement(f"{_OF_USER} AND blocked_user_id > ?")
_GET = LookUp(_OF_USER, "blocked_user_id")


class CassandraBlocks:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def put(self, blocks: Sequence[Block]) -> None:
        async def write(group: tuple[UserKey, Sequence[Block]]) -> None:
            await self._calls.write(_PUT, [(*b.key, b.blocked, b.version, b.version) for b in group[1]])

        await each(write, by_partition(lambda block: UserKey(block.application_id, block.user_id), blocks))

    async def get(self, keys: Sequence[BlockKey]) -> Sequence[Block]:
        rows = await _GET.rows(self._calls, (((key.application_id, key.user_id), key.blocked_user_id) for key in keys))
        found = {block.key: block for block in map(_block, rows)}
        return [found.get(key) or Block(*key, blocked=False, version=0) for key in keys]

    async def of_user(self, user: UserKey, after_user_id: str, limit: int) -> Sequence[Block]:
        found: list[Block] = []
        async with aclosing(self._calls.pages(_LIST, (*user, after_user_id), max(limit, ROWS_AT_ONCE))) as pages:
            async for page in pages:
                found += [block for block in map(_block, page) if block.blocked]
                if len(found) >= limit:
                    break
        return found[:limit]


def _block(row: Values) -> Block:
    return Block(*cast("tuple[str, str, str, bool, int]", row))
