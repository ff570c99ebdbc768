"""Brings logs into memory: those that are to be appended to are recovered first, of others only the head is looked up."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

import structlog

from libs.cassandra import CassandraUnavailable, Session
from libs.log_store.bodies import amended
from libs.log_store.cassandra import takeover
from libs.log_store.cassandra.amending import amend_again
from libs.log_store.cassandra.asking import AT_A_TIME, each
from libs.log_store.cassandra.chain import broken_chain, read_chain
from libs.log_store.cassandra.dirty import dirty_logs
from libs.log_store.cassandra.durable import until_durable
from libs.log_store.cassandra.fence import Barrier
from libs.log_store.cassandra.owned import OwnedLog, OwnedLogs
from libs.log_store.cassandra.takeover import Outline
from libs.log_store.cassandra.vocabulary import Chain, Epoch
from libs.log_store.errors import NotOwner, StoreUnavailable
from libs.log_store.shards import Shards
from libs.log_store.types import SHARDS, LogKey, Seq, shard_of

logger = structlog.get_logger()

_LOGS_AT_ONCE = 16
"""So many logs are looked up by one request. The heads of 5,000 logs at rest cost 1.35 s of CPU here; with single requests they
took longer than a caller waits."""

_LOOKS_AT_A_TIME = 4
"""So many times as many logs are looked at before they are recovered."""

_RECOVERED_AT_A_TIME = 2 * AT_A_TIME
"""What is slow with one of them holds up few others."""

_EAGER_LOGS_AT_A_TIME = 16
"""Of those that nobody has asked for yet: whoever asks does not wait for them."""


class Recoveries:
    """Makes sure that a log is in memory, each once where many ask for it."""

    def __init__(
        self,
        session: Session,
        shards: Shards,
        epoch_of: Callable[[int], Epoch],
        logs: OwnedLogs,
        barrier: Barrier,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`tasks` runs what must not stop half way; one that fails ends the store."""
        self._session = session
        self._shards = shards
        self._epoch_of = epoch_of
        self._logs = logs
        self._barrier = barrier
        self._tasks = tasks
        self._recoveries: dict[LogKey, asyncio.Future[OwnedLog]] = {}
        self._waiting: deque[LogKey] = deque()
        """Those of them that nobody has begun with."""
        self._recovering: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._room_to_look = asyncio.Semaphore(_LOOKS_AT_A_TIME)
        self._room_to_recover = asyncio.Semaphore(_RECOVERED_AT_A_TIME)

    async def owned(self, key: LogKey) -> OwnedLog:
        """A log that can be appended to, recovered once where many ask for it.

        Raises:
            StoreUnavailable: it could not be read.
            NotOwner: it is another's.
        """
        owned = self._logs.get(key)
        if owned is not None and owned.sealed:
            return owned
        if self._shards.tenure(shard_of(key)) is None:
            raise self._shards.refuse(shard_of(key))
        recovery = self._recoveries.get(key)
        if recovery is None:
            task = self._tasks.create_task(self._recover_next())
            recovery = self._recoveries[key] = asyncio.get_running_loop().create_future()
            self._waiting.append(key)
            self._recovering.add(task)
            task.add_done_callback(self._recovering.discard)
        return await asyncio.shield(recovery)

    async def _recover_next(self) -> None:
        """Recover what waits, or a part of it; nothing, where others were faster. What comes meanwhile is the next one's."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for outline in await self._look_at_next():
                    tasks.create_task(self._recover(outline))
        except BaseException:  # the store ends: nobody is to wait for what does not come
            for recovery in self._recoveries.values():
                _fail(recovery)
            raise

    async def _look_at_next(self) -> Sequence[Outline]:
        async with self._room_to_look:
            keys = [self._waiting.popleft() for _ in range(min(len(self._waiting), _LOGS_AT_ONCE))]
            try:
                outlines = await takeover.outlines(self._session, keys)
            except CassandraUnavailable as error:
                for key in keys:
                    self._end(key, error)
                return ()
            for key in set(keys) - {outline.log for outline in outlines}:
                self._end(key, broken_chain(key))
            return outlines

    async def _recover(self, outline: Outline) -> None:
        """A seal that was sent is completed, whoever has stopped waiting: another try might seal at another seq."""
        key = outline.log
        try:
            async with self._room_to_recover:
                owned = await takeover.recover(self._session, outline, self._epoch_of(shard_of(key)))
                await self._barrier.passed()
                chain, head = await self.chain(owned), owned.durable
                again = await amend_again(self._session, key, chain, Seq(owned.marked + 1), head.seq)
        except CassandraUnavailable as error:  # of reading only: writes go on until they succeed
            self._end(key, error)
        else:
            self._logs.became_durable(owned, amended(head, again.overlays))
            self._end(key, owned)

    def _end(self, key: LogKey, outcome: OwnedLog | CassandraUnavailable) -> None:
        recovery = self._recoveries.pop(key)
        if isinstance(outcome, CassandraUnavailable):
            logger.warning("log_not_recovered", log_id=key.log_id.hex(), error=str(outcome))
            _fail(recovery)
        elif not recovery.done():
            recovery.set_result(outcome)

    async def known(self, key: LogKey) -> OwnedLog:
        """A log of which the head is known. To be followed by a barrier before that is told to anybody.

        Raises:
            CassandraUnavailable, StoreUnavailable: it could not be read.
            NotOwner: it is another's.
        """
        (known,) = await self.all_known([key])
        return known

    async def all_known(self, keys: Sequence[LogKey]) -> list[OwnedLog]:
        """As `known`, of many logs."""
        cold = [key for key in keys if self._logs.get(key) is None and key not in self._recoveries]
        chunks = [cold[start : start + _LOGS_AT_ONCE] for start in range(0, len(cold), _LOGS_AT_ONCE)]
        closed: dict[LogKey, OwnedLog] = {}
        for found in await each(self._closed, chunks):
            closed.update(found)

        async def known(key: LogKey) -> OwnedLog:
            return closed.get(key) or self._logs.get(key) or await self.owned(key)

        return await each(known, keys)

    async def _closed(self, keys: Sequence[LogKey]) -> dict[LogKey, OwnedLog]:
        """Those of some logs, not in memory, that nobody need recover; from now on they are in memory."""
        before = self._logs.sealed_forgotten
        tenures = [self._shards.tenure(shard_of(key)) for key in keys]
        async with self._room:  # one that fails is asked again: it would be the failure of all who ask for many
            closed = await until_durable(lambda: takeover.closed_logs(self._session, keys))
        for key, tenure in zip(keys, tenures, strict=True):  # others may have come first, and further
            is_ours = tenure is not None and self._shards.tenure(shard_of(key)) is tenure
            if not is_ours or self._logs.get(key) or key in self._recoveries or self._logs.sealed_forgotten != before:
                closed.pop(key, None)
        for found in closed.values():
            self._logs.keep(found)
        return closed

    async def chain(self, known: OwnedLog) -> Chain:
        """The chain of a log of which the head is known, read once. Raises CassandraUnavailable."""
        if known.chain is None:
            known.chain = await read_chain(self._session, known.key)
        return known.chain

    async def recover_dirty(self, epochs: Mapping[int, Epoch]) -> None:
        """Recover the logs of shards that were being written before us, so that the first to ask need not wait."""
        found = await each(self._dirty_logs, list(epochs.items()))
        logs = [log for of_shard in found for log in of_shard]

        async def recover(log: LogKey) -> None:
            with suppress(StoreUnavailable, NotOwner):  # then whoever asks for it first recovers it
                await self.owned(log)

        await each(recover, logs, at_a_time=_EAGER_LOGS_AT_A_TIME)
        logger.info("dirty_logs_recovered", shards=len(epochs), logs=len(logs))

    async def _dirty_logs(self, ownership: tuple[int, Epoch]) -> set[LogKey]:
        try:
            return await dirty_logs(self._session, *ownership)
        except CassandraUnavailable:
            return set()

    async def settled(self, shards: Collection[int] = range(SHARDS)) -> None:
        """Wait until no log of some shards is being recovered any more."""
        while running := [future for key, future in self._recoveries.items() if shard_of(key) in shards]:
            await asyncio.wait(running)

    def abandon(self) -> None:
        """Leave undone what does not come to its end."""
        for task in self._recovering:
            task.cancel()


def _fail(recovery: "asyncio.Future[OwnedLog]") -> None:
    if not recovery.done():
        recovery.set_exception(StoreUnavailable(writing=False))
        recovery.exception()  # perhaps nobody waits any more
