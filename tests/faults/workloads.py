"""What people do while things break. Every workload sends, tails, edits, deletes and repeats; each stresses something of its own."""

import asyncio
import random
from collections.abc import Mapping
from typing import NamedTuple

from tests.faults.operations import Operation, Outcome
from tests.faults.people import Person
from tests.faults.tails import Tail


class Workload(NamedTuple):
    """How often people do what, in parts."""

    name: str
    parts: Mapping[str, int]
    """By the name of a deed."""
    reconnects: bool = False
    """All tails lose their connections together, again and again."""
    membership: bool = False
    """Guests are removed and added again."""
    pause_seconds: tuple[float, float] = (0.0, 0.03)
    """From the least to the most, between two deeds of one person."""


_ALWAYS = {"send": 50, "edit": 12, "delete": 14, "page": 4}

TALK = Workload("talk", _ALWAYS)
PAGE = Workload("page", {**_ALWAYS, "page": 40})
AMEND = Workload("amend", {**_ALWAYS, "edit": 40, "delete": 30})
RECEIPTS = Workload("receipts", {**_ALWAYS, "mark": 30, "list": 10, "own": 20})
MEMBERS = Workload("members", _ALWAYS, membership=True)
RECONNECT = Workload("reconnect", _ALWAYS, reconnects=True)
ALL = Workload("all", {**_ALWAYS, "page": 12, "mark": 12, "list": 4, "own": 8}, reconnects=True, membership=True)
WORKLOADS = {each.name: each for each in (TALK, PAGE, AMEND, RECEIPTS, MEMBERS, RECONNECT, ALL)}

_RECENT = 60  # messages of a channel that edits and deletions are for
_STORM_SECONDS = (1.0, 2.5)  # between two storms of reconnects
_CHANGE_SECONDS = (0.1, 0.5)  # between two changes of membership


class Board:
    """What people know of each other's messages."""

    def __init__(self, channels: list[str]) -> None:
        self.channels = channels
        self._messages: dict[str, list[Operation]] = {channel: [] for channel in channels}

    def add(self, sent: Operation) -> None:
        self._messages[sent.channel].append(sent)

    def own(self, channel: str, person: Person, rng: random.Random) -> int:
        """A message of one's own that was not chosen for a deletion; 0: there is none among the recent ones."""
        mine = [sent.seq for sent in self._messages[channel][-_RECENT:] if sent.user == person.name]
        return rng.choice(mine) if mine else 0

    def take_own(self, channel: str, person: Person, rng: random.Random) -> int:
        """The same, to be deleted; some are left for others to delete again, or to edit too late."""
        seq = self.own(channel, person, rng)
        if rng.random() < 0.8:
            self._messages[channel] = [sent for sent in self._messages[channel] if sent.seq != seq]
        return seq

    def head(self, channel: str) -> int:
        messages = self._messages[channel]
        return messages[-1].seq if messages else 0


async def talk(person: Person, workload: Workload, board: Board, rng: random.Random, stop: asyncio.Event) -> None:
    """One person, doing one thing after the other until told to stop."""
    deeds, weights = list(workload.parts), list(workload.parts.values())
    number = 0
    while not stop.is_set():
        number += 1
        channel = rng.choice(board.channels)
        await _do(rng.choices(deeds, weights)[0], person, channel, board, rng, number)
        await asyncio.sleep(rng.uniform(*workload.pause_seconds))


async def _do(deed: str, person: Person, channel: str, board: Board, rng: random.Random, number: int) -> None:
    match deed:
        case "send":
            sent = await person.send(channel, f"<{person.name} says {number} in {channel}>")
            if sent.ok:
                board.add(sent)
        case "edit":
            if seq := board.own(channel, person, rng):
                await person.edit(channel, seq, f"<{person.name} mends {number} in {channel}>")
        case "delete":
            if seq := board.take_own(channel, person, rng):
                await person.delete(channel, seq)
        case "page":
            await _page(person, channel, board, rng)
        case "mark":
            if head := board.head(channel):
                await person.mark(channel, rng.randint(max(1, head - 20), head))
        case "list":
            await person.list_positions(channel)
        case "own":
            await person.look_at_own(channel)


async def _page(person: Person, channel: str, board: Board, rng: random.Random) -> None:
    if rng.random() < 0.5:
        await person.read_events(channel, max(0, board.head(channel) - rng.randint(0, 300)))
    elif older := await person.read_messages(channel):
        await person.read_messages(channel, before=older)


async def change_members(
    owner: Person, guests: list[str], channels: list[str], rng: random.Random, stop: asyncio.Event
) -> None:
    """Guests are removed, and come back; at the end all are back."""
    away: dict[tuple[str, str], None] = {}
    while not stop.is_set() or away:
        channel, guest = rng.choice(channels), rng.choice(guests)
        if stop.is_set():
            channel, guest = next(iter(away))
        if (channel, guest) in away:
            done = await owner.add(channel, guest)
            if done.outcome is not Outcome.UNKNOWN:
                del away[channel, guest]
        else:
            away[channel, guest] = None
            await owner.remove(channel, guest)
        await asyncio.sleep(rng.uniform(*_CHANGE_SECONDS))


async def storms(tails: list[Tail], rng: random.Random, stop: asyncio.Event) -> None:
    """All connections are lost at once, again and again."""
    while not stop.is_set():
        await asyncio.sleep(rng.uniform(*_STORM_SECONDS))
        for tail in tails:
            tail.drop()
