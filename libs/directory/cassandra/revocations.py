"""RevocationStore on Cassandra. The cell carries its time as timestamp: so the latest is kept, in whatever order they are written."""

from collections.abc import Sequence
from typing import cast

from libs.cassandra import Statement
from libs.directory.cassandra.calls import Calls
from libs.directory.cassandra.partitions import LookUp
from libs.directory.revocations import TokenHolder

_ADVANCE = Statement(
    "INSERT INTO ks.token_revocations (application_id, user_id, session_id, issued_before_ms) VALUES (?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_GET = LookUp(
    "SELECT application_id, user_id, session_id, issued_before_ms FROM ks.token_revocations "
    "WHERE application_id = ? AND user_id = ?",
    "session_id",
)


class CassandraRevocations:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advance(self, holder: TokenHolder, issued_before_ms: int) -> None:
        await self._calls.write(_ADVANCE, [(*holder, issued_before_ms, issued_before_ms)])

    async def get(self, holders: Sequence[TokenHolder]) -> Sequence[int]:
        rows = await _GET.rows(self._calls, ((holder[:2], holder.session_id) for holder in holders))
        found = {TokenHolder(*key): time for *key, time in cast("list[tuple[str, str, str, int]]", rows)}
        return [found.get(holder, 0) for holder in holders]
