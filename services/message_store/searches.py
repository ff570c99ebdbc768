"""Looks for earlier tries of sends further back than memory reaches."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import LogKey, LogStore, SendId, Sent, Seq
from services.message_store.items import Item
from services.message_store.sequencer import LogState

SEARCH_EVENTS = 10_000
"""How many events after `after_seq` are searched for an earlier send; beyond it the client is told how far that came."""

MAX_SEARCHES = 8
"""Of one request, of twice as many events each at most (10 ms on SQLite): all that is in a gateway's one request waits for
them. Sends of one log that first were tried at about the same time share one; those that find no room are to be sent again."""


class _Search(NamedTuple):
    """A part of a log in which several sends are looked for."""

    log: LogKey
    first: Seq
    items: list[Item]


async def search(store: LogStore, states: Mapping[LogKey, LogState], items: Sequence[Item]) -> None:
    """Look for what took the client ids of items. Afterwards each of them was found, or searched for as far as it may be.

    Raises:
        StoreUnavailable: some were not searched.
    """
    searches = _searches(states, items)
    for left_out in searches[MAX_SEARCHES:]:
        for item in left_out.items:
            item.refuse(log_pb2.APPEND_REFUSAL_OVERLOADED)
    await asyncio.gather(*(_run(store, each, states[each.log].remembered_from) for each in searches[:MAX_SEARCHES]))


def _searches(states: Mapping[LogKey, LogState], items: Sequence[Item]) -> list[_Search]:
    by_log: defaultdict[LogKey, list[tuple[Seq, Item]]] = defaultdict(list)
    for item in items:
        if item.after_seq is not None and not states[item.log].remembers_since(item):
            by_log[item.log].append((Seq(max(item.after_seq, item.searched_to) + 1), item))
    searches: list[_Search] = []
    for log, of_log in by_log.items():
        of_log.sort(key=lambda each: each[0])
        newest: _Search | None = None
        for first, item in of_log:
            if newest is None or first >= newest.first + SEARCH_EVENTS:
                searches.append(newest := _Search(log, first, []))
            newest.items.append(item)
    return searches


async def _run(store: LogStore, search: _Search, remembered_from: Seq) -> None:
    found: list[Sent] = []
    last = max(_last(item, remembered_from) for item in search.items)
    if search.first <= last:
        found = await store.find_sent(search.log, {item.send for item in search.items}, search.first, last)
    by_send = {SendId(sent.sender_user_id, sent.client_id): sent for sent in found}
    for item in search.items:
        item.earlier = by_send.get(item.send)
        item.searched_to = _last(item, remembered_from)
        item.search_ended = item.earlier is not None or item.searched_to < remembered_from - 1


def _last(item: Item, remembered_from: Seq) -> Seq:
    """How far an item may be searched for; what memory has remembered since need not be."""
    return Seq(min(remembered_from - 1, (item.after_seq or 0) + SEARCH_EVENTS))
