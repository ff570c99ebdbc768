"""Owners of logs on Cassandra, several in one process, whose requests are lost, doubted and late when a story says so.

What a sender is told and what the log holds in the end is recorded as in every other run, and judged by the same checker.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from tertulia_internal.message_store.v1 import log_pb2

from libs.cassandra import Session
from libs.log_store import LogStoreError
from libs.log_store.cassandra import Incarnation, Member, cassandra_log_store
from libs.log_store.cassandra.heartbeats import WRITE_HEARTBEAT
from libs.rpc.errors import TertuliaError
from libs.rpc.status import unavailable
from libs.runtime.process import running
from tests.faults.history import Violation
from tests.faults.operations import Entry, Kind, Operation, Outcome, Recorder, entries_of
from tests.integration.cassandra.faulty import Fault, FaultySession
from tests.support.log_keyspace import LogKeyspace
from tests.unit.message_store import owner as unit

CHANNEL = "the log"
_OWNS_SECONDS = 30
SENDER = "alice"

Around = Callable[[Session], Session]


async def _nobody_answers(address: str, shards: Sequence[int], heir: str) -> Mapping[int, int]:  # noqa: ARG001
    """In a story only one process at a time is not silent, so nobody hands anything over."""
    raise unavailable("the other one")


class Process:
    """What a message_store process is, but for its sockets: it owns all logs as soon as it can, and ends when it is fenced."""

    def __init__(self, session: FaultySession, recorder: Recorder, around: Around) -> None:
        self.session = session
        """It stays open when the process has ended, so that what is late can still arrive."""
        self._recorder = recorder
        self._around = around
        self._owns = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tries: list[asyncio.Task[Operation]] = []

    async def begin(self) -> None:
        self._task = asyncio.create_task(self._live())
        async with asyncio.timeout(_OWNS_SECONDS):
            await self._owns.wait()

    async def _live(self) -> None:
        name = secrets.token_hex(8)
        me = Member(Incarnation(name), name, "bus")
        async with cassandra_log_store(self._around(self.session), me, _nobody_answers) as (store, _):
            self.owner = unit.Owner(store)
            async with running(self.owner.committer.run()):
                self._owns.set()
                await asyncio.Event().wait()

    def fall_silent(self) -> None:
        """The others hear no heartbeat of it from now on; its own work goes on."""
        self.session.always(WRITE_HEARTBEAT, Fault.LOST)

    async def end(self) -> None:
        """It dies. Whoever still waits for an answer gets none."""
        assert self._task is not None
        for task in (self._task, *self._tries):
            task.cancel()
        await asyncio.gather(self._task, *self._tries, return_exceptions=True)

    async def say(self, client_id: str, text: str) -> Operation:
        return await self._try(Kind.SEND, client_id, unit.item(client_id, text=text), text=text)

    async def edit(self, client_id: str, target: int, text: str) -> Operation:
        return await self._try(Kind.EDIT, client_id, unit.edit(client_id, target, text), text=text, target=target)

    def saying(self, client_id: str, text: str) -> None:
        """Say something whose answer is not waited for."""
        self._tries.append(asyncio.create_task(self.say(client_id, text)))

    def editing(self, client_id: str, target: int, text: str) -> None:
        self._tries.append(asyncio.create_task(self.edit(client_id, target, text)))

    async def _try(
        self, kind: Kind, client_id: str, item: log_pb2.AppendItem, *, text: str, target: int = 0
    ) -> Operation:
        operation = self._recorder.begin(kind, SENDER, CHANNEL)
        operation.client_id, operation.text, operation.target = client_id, text, target
        try:
            (outcome,) = await self.owner.append(item)
        except (TertuliaError, LogStoreError) as error:
            operation.reason = type(error).__name__
        else:
            operation.outcome, operation.seq = (Outcome.OK if not outcome.refusal else Outcome.FAILED), outcome.seq
        finally:
            self._recorder.end(operation)
        return operation

    async def history(self) -> list[Entry]:
        """The log as it owns it."""
        return entries_of(await self.owner.events())


class Stage:
    """Where a story is told."""

    def __init__(self, logs: LogKeyspace, recorder: Recorder) -> None:
        self.logs = logs
        self.recorder = recorder
        self.damage: list[Violation] = []
        self._opened = AsyncExitStack()

    async def enter(
        self, around: Around = lambda session: session, prepare: Callable[[FaultySession], None] = lambda _: None
    ) -> Process:
        """A process that owns the logs on return: whoever owned them seemed dead to it, and was fenced."""
        session = FaultySession(await self._opened.enter_async_context(self.logs.session()))
        prepare(session)
        process = Process(session, self.recorder, around)
        self._opened.push_async_callback(process.end)
        await process.begin()
        return process

    async def read_by(self, process: Process) -> list[Entry]:
        """The log in the end. One that cannot be read is a promise broken."""
        try:
            return await process.history()
        except (TertuliaError, LogStoreError) as error:
            self.damage.append(Violation("I1", f"the log cannot be read: {error!r}"))
            return []

    async def close(self) -> None:
        await self._opened.aclose()


@asynccontextmanager
async def stage(logs: LogKeyspace, recorder: Recorder) -> AsyncIterator[Stage]:
    opened = Stage(logs, recorder)
    try:
        yield opened
    finally:
        await opened.close()
        recorder.close()
