"""BlockStore on SQLite."""

import sqlite3
from collections.abc import Sequence

from libs.directory.blocks import Block, BlockKey
from libs.directory.keys import UserKey
from libs.directory.sqlite.calls import Calls

_SELECT = "SELECT application_id, user_id, blocked_user_id, blocked, version FROM blocks WHERE application_id = ? AND user_id = ?"


class SqliteBlocks:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def put(self, blocks: Sequence[Block]) -> None:
        await self._calls.execute(
            """INSERT INTO blocks (application_id, user_id, blocked_user_id, blocked, version) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET blocked = excluded.blocked, version = excluded.version
            WHERE excluded.version > blocks.version""",
            [(*block.key, block.blocked, block.version) for block in blocks],
        )

    async def get(self, keys: Sequence[BlockKey]) -> Sequence[Block]:
        def query(connection: sqlite3.Connection) -> list[Block]:
            rows = (connection.execute(f"{_SELECT} AND blocked_user_id = ?", key).fetchone() for key in keys)
            return [_block(row or (*key, 0, 0)) for key, row in zip(keys, rows, strict=True)]

        return await self._calls.read(query)

    async def of_user(self, user: UserKey, after_user_id: str, limit: int) -> Sequence[Block]:
        def query(connection: sqlite3.Connection) -> list[Block]:
            rows = connection.execute(
                f"{_SELECT} AND blocked_user_id > ? AND blocked ORDER BY blocked_user_id LIMIT ?",
                (*user, after_user_id, limit),
            )
            return [_block(row) for row in rows]

        return await self._calls.read(query)


def _block(row: tuple[str, str, str, int, int]) -> Block:
    application_id, user_id, blocked_user_id, blocked, version = row
    return Block(application_id, user_id, blocked_user_id, bool(blocked), version)
