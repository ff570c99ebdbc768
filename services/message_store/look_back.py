"""Looks up in the store what an append needs and memory does not hold."""

import asyncio
from collections.abc import Sequence

from libs.log_store import Kind, LogKey, LogStore, Seq
from services.message_store.items import Item
from services.message_store.sequencer import LogState
from services.message_store.states import LogStates

SEARCH_EVENTS = 10_000
"""How many events after `after_seq` are searched for an earlier send; beyond it the client is told how far that came."""


class LookBack:
    """Makes sure that every item of a request can be judged without waiting."""

    def __init__(self, store: LogStore, states: LogStates) -> None:
        self._store = store
        self._states = states

    async def prepare(self, items: Sequence[Item]) -> dict[LogKey, LogState]:
        """Recover the logs that are not in memory and look up old repetitions and targets.

        Returns the logs of the items; holding them keeps them in memory.

        Raises:
            StoreUnavailable: nothing was appended.
        """
        states: dict[LogKey, LogState] = {}
        missing: dict[LogKey, None] = {}
        for item in items:
            if item.log not in states:
                state = self._states.peek(item.log)
                if state is None:
                    missing[item.log] = None
                else:
                    states[item.log] = state
        if missing:
            states.update(zip(missing, await asyncio.gather(*map(self._states.get, missing)), strict=True))
        for item in items:
            state = states[item.log]
            if not state.can_judge(item):
                await self._look_up(item, state.remembered_from)
        return states

    async def _look_up(self, item: Item, remembered_from: Seq) -> None:
        if item.after_seq is not None and not item.search_ended:
            await self._search(item, item.after_seq, remembered_from)
        if 0 < item.target_seq < remembered_from and item.target_is_message is None:
            rows = await self._store.read(item.log, item.target_seq, item.target_seq, limit=1, max_bytes=1)
            item.target_is_message = bool(rows) and rows[0].kind is Kind.MESSAGE

    async def _search(self, item: Item, after_seq: Seq, remembered_from: Seq) -> None:
        first = Seq(max(after_seq, item.searched_to) + 1)
        last = Seq(min(remembered_from - 1, after_seq + SEARCH_EVENTS))
        if first <= last:
            item.earlier = await self._store.find_sent(item.log, item.sender_user_id, item.client_id, first, last)
            item.searched_to = last
        item.search_ended = item.earlier is not None or last < remembered_from - 1
