"""Schedules on which each step of the protocol on Cassandra is needed. Each is told twice: by owners that are whole, and by one
that lacks the step; the checker has to tell them apart.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from libs.cassandra import CassandraUnavailable, Session, Statement, Values
from libs.log_store import LogBatch
from libs.log_store.cassandra import opening
from libs.log_store.cassandra.amending import amend
from libs.log_store.cassandra.chain import WRITE_SEAL, read_chain
from libs.log_store.cassandra.owned import OwnedLog
from libs.log_store.cassandra.rows import WRITE_ROWS
from libs.log_store.cassandra.store import CassandraLogStore
from tests.faults.checker import check
from tests.faults.composed.sessions import MarksAtOnce, NoFenceCheck, NoLinks, OtherSession
from tests.faults.history import Violation
from tests.faults.operations import Entry, Recorder
from tests.faults.owners import CHANNEL, Around, Stage, stage
from tests.integration.cassandra.faulty import Fault
from tests.support.log_keyspace import LogKeyspace
from tests.support.ports import until


def whole(session: Session) -> Session:
    """Nothing is broken."""
    return session


async def a_stale_owner_goes_on(on: Stage, broken: Around) -> list[Entry]:
    """It is taken over while it still answers; what it then says was done must be in the log."""
    first = await on.enter(broken)
    await first.say("a", "before")
    first.fall_silent()
    second = await on.enter()
    await second.say("b", "after the takeover")
    await first.say("c", "of the stale one")
    await second.say("d", "the last")
    return await on.read_by(second)


async def a_late_seal_of_an_epoch_that_nobody_continued(on: Stage, broken: Around) -> list[Entry]:
    """A takeover is itself taken over between reading and sealing; meanwhile a late row of the first owner has arrived."""
    first = await on.enter()
    await first.say("a", "before")
    first.session.always(WRITE_ROWS, Fault.LATE)
    first.saying("b", "late")
    await until(lambda: len(first.session.rows_written(WRITE_ROWS)) > 1, "the late row was sent")
    first.fall_silent()
    late: list[Values] = []
    second = await on.enter(lambda session: _SealsLate(session, late))  # type: ignore[arg-type,return-value]
    await until(lambda: bool(late), "the second owner has read the log, and seals it")
    second.fall_silent()
    await first.session.arrive()
    third = await on.enter()
    await third.say("b", "late")
    await third.say("c", "after both")
    await second.session.write(WRITE_SEAL, late[:1])
    third.fall_silent()
    return await on.read_by(await on.enter(broken))


async def an_edit_whose_row_never_arrives(on: Stage, broken: Around) -> list[Entry]:
    """Its owner is taken over while the row is under way. What it would have made of the message must not be seen."""
    first = await on.enter(broken)
    await first.say("a", "as it was said")
    first.session.always(WRITE_ROWS, Fault.LOST)
    first.editing("b", 1, "as nobody was told")
    await until(lambda: len(first.session.rows_written(WRITE_ROWS)) > 1, "the edit was sent")
    first.fall_silent()
    second = await on.enter()
    await second.say("c", "after the takeover")
    return await on.read_by(second)


async def a_row_that_never_arrives(on: Stage, broken: Around) -> list[Entry]:
    """The mark says how far a log may be trusted without looking: it must not have passed that row."""
    first = await on.enter(broken)
    await first.say("a", "before")
    first.session.always(WRITE_ROWS, Fault.LOST)
    first.saying("b", "lost")
    await until(lambda: len(first.session.rows_written(WRITE_ROWS)) > 1, "the row was sent")
    first.fall_silent()
    second = await on.enter()
    await second.say("c", "after the takeover")
    return await on.read_by(second)


class _SealsLate(OtherSession):
    """A seal that links to another one is late."""

    def __init__(self, session: Session, late: list[Values]) -> None:
        super().__init__(session)
        self._late = late

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        previous = rows[0][-1]
        if statement != WRITE_SEAL or not previous:
            await self._session.write(statement, rows)
            return
        self._late += rows
        raise CassandraUnavailable("a test made this seal late")


class _OverlaysWithRows(CassandraLogStore):
    """Writes what follows from events together with their rows."""

    async def _write(self, writing: "list[tuple[OwnedLog, LogBatch]]") -> None:  # type: ignore[override]
        for _, (key, _, amendments) in writing:
            if any(amendments):
                await amend(self._session, key, await read_chain(self._session, key), amendments)
        await super()._write(writing)


def overlays_with_rows(session: Session) -> Session:
    """For the owner that opens next."""
    vars(opening)["CassandraLogStore"] = _OverlaysWithRows
    return session


class Story(NamedTuple):
    """A schedule, and the step that it needs."""

    without: str
    tell: Callable[[Stage, Around], Awaitable[list[Entry]]]
    broken: Around


STORIES = (
    Story("no fence check", a_stale_owner_goes_on, NoFenceCheck),  # type: ignore[arg-type]
    Story("no links", a_late_seal_of_an_epoch_that_nobody_continued, NoLinks),  # type: ignore[arg-type]
    Story("overlay before barrier", an_edit_whose_row_never_arrives, overlays_with_rows),
    Story("no mark check", a_row_that_never_arrives, MarksAtOnce),  # type: ignore[arg-type]
)


async def violations_of(story: Story, around: Around, logs: LogKeyspace, folder: Path) -> list[Violation]:
    """Tell a story with owners composed so, and what the checker says to it."""
    recorder = Recorder(folder / "operations.jsonl")
    try:
        async with stage(logs, recorder) as on, asyncio.timeout(100):
            entries = await story.tell(on, around)
    finally:
        vars(opening)["CassandraLogStore"] = CassandraLogStore
    return [*on.damage, *check(recorder.recording, {CHANNEL: entries}).violations]
