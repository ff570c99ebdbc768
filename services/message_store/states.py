"""The logs that are in memory."""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable
from weakref import WeakValueDictionary

from libs.log_store import LogKey, LogStore, shard_of
from services.message_store.sequencer import REMEMBERED_EVENTS, LogState


class LogStates:
    """At most one LogState per log, recovered from the store when it is first needed.

    Those not used for longest are let go beyond `memory_bytes`. One that somebody still works with stays the only one.
    """

    def __init__(self, store: LogStore, memory_bytes: int, remembered_events: int = REMEMBERED_EVENTS) -> None:
        self._store = store
        self._remembered_events = remembered_events
        self._memory_bytes = memory_bytes
        self._kept: OrderedDict[LogKey, tuple[LogState, int]] = OrderedDict()
        self._kept_bytes = 0
        self._alive: WeakValueDictionary[LogKey, LogState] = WeakValueDictionary()
        self._loading: WeakValueDictionary[LogKey, asyncio.Lock] = WeakValueDictionary()
        store.shards.when_lost(self._forget)

    def peek(self, log: LogKey) -> LogState | None:
        """The state of a log if it is in memory."""
        kept = self._kept.get(log)
        return self._alive.get(log) if kept is None else kept[0]

    async def get(self, log: LogKey) -> LogState:
        """The state of a log, recovered by one caller where many ask at once.

        Raises:
            StoreUnavailable: it could not be recovered.
        """
        state = self.peek(log)
        if state is not None:
            return state
        lock = self._loading.setdefault(log, asyncio.Lock())
        async with lock:
            state = self.peek(log)
            if state is None:
                recovered = await self._store.recover(log, self._remembered_events)
                state = LogState(log, recovered, self._remembered_events)
                self._alive[log] = state
                self.used([state])
            return state

    def used(self, states: Iterable[LogState]) -> None:
        """Note that logs were used just now, and weigh them again."""
        for state in states:
            size = state.size_bytes
            _, before = self._kept.pop(state.log, (state, 0))
            self._kept[state.log] = (state, size)
            self._kept_bytes += size - before
        while self._kept_bytes > self._memory_bytes and len(self._kept) > 1:
            _, (_, size) = self._kept.popitem(last=False)
            self._kept_bytes -= size

    def discard(self, state: LogState) -> None:
        """Forget what memory says of a log: whoever needs it recovers it from the store."""
        state.discarded = True
        self._alive.pop(state.log, None)
        _, size = self._kept.pop(state.log, (state, 0))
        self._kept_bytes -= size

    def _forget(self, shards: Collection[int]) -> None:
        """Others go on with the logs of these shards."""
        for state in [state for log, state in self._alive.items() if shard_of(log) in shards]:
            self.discard(state)

    @property
    def kept_bytes(self) -> int:
        """About how much memory the states take."""
        return self._kept_bytes

    def __len__(self) -> int:
        return len(self._kept)
