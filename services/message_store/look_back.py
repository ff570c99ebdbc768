"""Looks up in the store what an append needs and memory does not hold."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from libs.log_store import Kind, LogKey, LogStore, Seq
from libs.log_store.amendments import Target
from services.message_store.items import Item
from services.message_store.searches import search
from services.message_store.sequencer import LogState
from services.message_store.states import LogStates

_READS_OF_TARGETS = 3
"""The reading of a target is repeated so often when the log went on meanwhile; then the whole look back is."""


class LookBack:
    """Makes sure that every item of a request can be judged without waiting."""

    def __init__(self, store: LogStore, states: LogStates) -> None:
        self._store = store
        self._states = states

    async def prepare(self, items: Sequence[Item]) -> dict[LogKey, LogState]:
        """Recover the logs that are not in memory and look up old repetitions and targets.

        Returns the logs of the items; holding them keeps them in memory. Who has looked back may have to do so again, if the
        log went on meanwhile: see LogState.can_judge.

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
        unknown: defaultdict[LogKey, list[Item]] = defaultdict(list)
        for item in items:
            if not states[item.log].can_judge(item):
                unknown[item.log].append(item)
        if unknown:
            await search(self._store, states, [item for of_log in unknown.values() for item in of_log])
            for log, of_log in unknown.items():
                await self._look_up_targets(states[log], [item for item in of_log if item.target_seq])
        return states

    async def _look_up_targets(self, state: LogState, items: Sequence[Item]) -> None:
        held: list[Target] = []
        for _ in range(_READS_OF_TARGETS):
            unknown = [item for item in items if not state.knows_target(item)]
            if not unknown:
                return
            no_messages = await self._read(state, {item.target_seq for item in unknown}, held)
            for item in unknown:
                item.target_missing = item.target_seq in no_messages
            deleting = [state.targets.get(item.target_seq) for item in unknown if item.kind is Kind.DELETION]
            await self._read(state, {target.reply_to_seq for target in deleting if target is not None}, held)

    async def _read(self, state: LogState, seqs: set[Seq], held: list[Target]) -> set[Seq]:
        """Have messages in memory for as long as `held` is, unless the log goes on so that they are to be read again.

        Returns those that are no messages.
        """
        head = state.head.seq
        known = {seq: target for seq in seqs if (target := state.targets.get(seq)) is not None}
        held += known.values()
        unknown = [seq for seq in seqs - known.keys() if 0 < seq <= head]
        no_messages: set[Seq] = set()
        for seq, entry in zip(unknown, await self._store.entries(state.log, unknown), strict=True):
            if entry is None or entry.row.kind is not Kind.MESSAGE:
                no_messages.add(seq)
            elif (target := state.targets.take_in(Target(entry), head)) is not None:
                held.append(target)
        return no_messages
