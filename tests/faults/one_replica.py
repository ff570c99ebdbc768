"""A row that reached one replica of three, and was adopted by a takeover that happened to ask that one.

On a ring without read repair: the protocol's own repair is what makes such a row durable. Then the replica dies.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from libs.cassandra import CassandraUnavailable, Session, Statement, Value, Values
from libs.log_store.cassandra.rows import WRITE_ROWS
from tests.faults.checker import check
from tests.faults.composed.sessions import NoRepair
from tests.faults.history import Violation
from tests.faults.operations import Recorder
from tests.faults.owners import CHANNEL, Around, stage
from tests.support.cassandra_ring import CassandraRing
from tests.support.cql import Consistency, ContactPoint, cql
from tests.support.keyspace import tables_of
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import until

_STORY_SECONDS = 240
"""Three starts of a node are in it."""


class _OnlyOn:
    """A session of which rows reach one node only, once it is told to."""

    def __init__(self, session: Session, point: ContactPoint) -> None:
        self._session = session
        self._point = point
        self.only = False
        self.reached = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        if not self.only or statement != WRITE_ROWS:
            await self._session.write(statement, rows)
            return
        if not self.reached:
            async with cql(self._point) as connection:
                for row in rows:
                    await connection.query(_literal(statement, row, self._session.keyspace), Consistency.ONE)
        self.reached = True
        raise CassandraUnavailable("one replica of three has it")


async def violations_of(around: Around, ring: CassandraRing, logs: LogKeyspace, folder: Path) -> list[Violation]:
    """Tell the story, with a second owner that is composed so, on a ring whose nodes keep no hints."""
    await _without_read_repair(logs)
    recorder = Recorder(folder / "operations.jsonl")
    holder, witness, sleeper = ring.nodes
    sessions: list[_OnlyOn] = []

    def reaching_one(session: Session) -> Session:
        sessions.append(_OnlyOn(session, holder.point))
        return sessions[0]  # type: ignore[return-value] # the rest is the real session's

    async with stage(logs, recorder) as on, asyncio.timeout(_STORY_SECONDS):
        first = await on.enter(reaching_one)
        await first.say("a", "before")
        for node in (witness, sleeper):  # stopped ones would write it when they go on: their clock is late at first
            await node.kill()
        sessions[0].only = True
        first.saying("b", "on one replica")
        await until(lambda: sessions[0].reached, "one replica has the row")
        first.fall_silent()
        await witness.start()
        await ring.settled()
        second = await on.enter(around)
        await second.say("b", "on one replica")  # the retry is answered with what was adopted
        await sleeper.start()
        await ring.settled()
        await holder.kill()
        second.fall_silent()
        third = await on.enter()
        entries = await on.read_by(third)
    await holder.start()
    await ring.settled()
    return [*on.damage, *check(recorder.recording, {CHANNEL: entries}).violations]


async def _without_read_repair(logs: LogKeyspace) -> None:
    async with cql(logs.point) as connection:
        for table in await tables_of(connection, logs.name):
            await connection.query(f"ALTER TABLE {logs.name}.{table} WITH read_repair = 'NONE'")


def _literal(statement: Statement, row: Values, keyspace: str) -> str:
    text = statement.cql.replace("ks.", f"{keyspace}.")
    for value in row:
        text = text.replace("?", _constant(value), 1)
    return text


def _constant(value: Value) -> str:
    match value:
        case bytes():
            return f"0x{value.hex()}"
        case str():
            return "'" + value.replace("'", "''") + "'"
    return str(value)


NO_REPAIR: Around = NoRepair  # type: ignore[assignment] # the rest is the real session's
