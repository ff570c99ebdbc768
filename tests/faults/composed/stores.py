"""Log stores with something wrong, or a place where their process stops, around the one that the settings ask for."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from libs.log_store import LogBatch, LogKey, LogStore, Recovered, SendId, Sent, Seq
from libs.rpc.certificates import Certificates
from services.message_store.settings import MessageStoreSettings
from services.message_store.stores import open_log_store
from tests.faults.composed import FOLDER, STOP_AFTER_APPEND, STOP_AFTER_BARRIER

Opening = Callable[[MessageStoreSettings, str, Certificates | None], AbstractAsyncContextManager[object]]

_DURABLE_SECONDS = 0.3  # how much later than its acknowledgement the careless store writes


class _Around:
    """All that is not said otherwise is the real store's."""

    def __init__(self, store: LogStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def opening(around: Callable[[LogStore], object]) -> Opening:
    """What opens the store of the settings with something around it."""

    @asynccontextmanager
    async def open_around(
        settings: MessageStoreSettings, incarnation: str, certificates: Certificates | None
    ) -> AsyncIterator[object]:
        async with open_log_store(settings, incarnation, certificates) as (store, ring):
            yield around(store), ring

    return open_around


class Stops(_Around):
    """Stops its process (SIGSTOP) where a file asks for it: between the durable write and the barrier, or between the barrier
    and the acknowledgement."""

    async def append(self, batches: Sequence[LogBatch]) -> None:
        await self._store.append(batches)
        _stop_if_asked(STOP_AFTER_APPEND)

    async def barrier(self) -> None:
        await self._store.barrier()
        _stop_if_asked(STOP_AFTER_BARRIER)


def _stop_if_asked(where: str) -> None:
    asked = Path(os.environ[FOLDER]) / where
    if asked.exists():
        asked.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)


class AcknowledgesEarly(_Around):
    """Says that rows are durable, and writes them a little later."""

    def __init__(self, store: LogStore) -> None:
        super().__init__(store)
        self._last: asyncio.Task[None] | None = None

    async def append(self, batches: Sequence[LogBatch]) -> None:
        self._last = asyncio.create_task(self._write(batches, self._last))

    async def _write(self, batches: Sequence[LogBatch], before: "asyncio.Task[None] | None") -> None:
        await asyncio.sleep(_DURABLE_SECONDS)
        if before is not None:
            await before
        await self._store.append(batches)


class NoDedup(_Around):
    """Remembers no client id of before its start, and finds none. It answers late, so that a kill leaves retries behind."""

    async def append(self, batches: Sequence[LogBatch]) -> None:
        await self._store.append(batches)
        await asyncio.sleep(0.05)

    async def recover(self, log: LogKey, remembered: int) -> Recovered:
        return (await self._store.recover(log, remembered))._replace(sent=())

    async def find_sent(self, log: LogKey, sends: Collection[SendId], first: Seq, last: Seq) -> list[Sent]:
        del log, sends, first, last
        return []
