"""People, channels and tails of one run, and how the run is brought to an end that can be judged."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import tertulia
from tertulia.chat.v1 import message_pb2
from tertulia.tokens import Secret

from tests.faults import workloads
from tests.faults.history import Violation
from tests.faults.operations import Entry, Kind, Recorder, entries_of
from tests.faults.people import Person
from tests.faults.tails import DEVELOPMENT, Tail
from tests.faults.workloads import Board, Workload
from tests.support.people import back_end, make_group, person
from tests.support.ports import until

CHANNELS = ("plaza", "market", "tower")
OWNER = "olga"
TALKERS = tuple(f"talker{number}" for number in range(6))
GUESTS = ("gina", "gus")
"""Talk as well, and are removed and added where the workload says so."""

WITH_TWO_DEVICES = TALKERS[:3]

LAST_WORDS = "<that was all>"


class Crowd:
    """All who take part."""

    def __init__(
        self,
        address: str,
        workload: Workload,
        recorder: Recorder,
        rng: random.Random,
        patience_seconds: float,
        *,
        secret: Secret = DEVELOPMENT,
        channels: Sequence[str] = CHANNELS,
    ) -> None:
        """`patience_seconds`: within so much after everything was healed all tails must have all."""
        self.recorder = recorder
        self.overdue: list[Violation] = []
        self._address = address
        self._workload = workload
        self._rng = rng
        self._patience_seconds = patience_seconds
        self._secret = secret
        self._channels = channels
        self._stop = asyncio.Event()
        self._people: dict[str, Person] = {}
        self._tails: list[Tail] = []
        self.away: list[str] = []
        """Whose session had not got as far as the last word when all was over."""

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """They work while the body runs, which leaves everything healed. Then open tries come to their end, somebody has the
        last word in each channel, and all tails get there."""
        everybody = [OWNER, *TALKERS, *GUESTS]
        for channel in self._channels:
            await self._make(channel, everybody)
        async with AsyncExitStack() as connections, asyncio.TaskGroup() as tasks:
            for name in everybody:
                devices = [
                    await connections.enter_async_context(person(self._address, name, secret=self._secret))
                    for _ in range(1 + (name in WITH_TWO_DEVICES))
                ]
                self._people[name] = Person(name, devices, self.recorder, random.Random(self._rng.random()))
            addresses = self._address.split(",")
            watchers = [TALKERS[0], TALKERS[1], *GUESTS]
            self._tails = [
                Tail(
                    name,
                    addresses[index % len(addresses) :] + addresses[: index % len(addresses)],
                    self.recorder,
                    self._secret,
                )
                for index, name in enumerate(watchers)
            ]
            following = [tasks.create_task(tail.run()) for tail in self._tails]
            working = [tasks.create_task(work) for work in self._work()]
            yield
            self._stop.set()
            if working:
                await asyncio.wait(working)
            await self._have_the_last_word()
            await self._catch_up()
            for task in following:
                task.cancel()

    async def _make(self, channel: str, members: Sequence[str]) -> None:
        """Patiently: some nemeses are at work from the start. Under the same id it is made once."""

        async def is_made() -> bool:
            try:
                await make_group(self._address, channel, members, self._secret)
            except (tertulia.Unavailable, tertulia.Unreachable, tertulia.OutcomeUnknown):
                return False
            return True

        await until(is_made, f"{channel} is made", self._patience_seconds)

    def _work(self) -> list[Coroutine[None, None, None]]:
        board = Board(list(self._channels))
        work = [
            workloads.talk(self._people[name], self._workload, board, random.Random(self._rng.random()), self._stop)
            for name in (*TALKERS, *GUESTS)
        ]
        if self._workload.membership:
            owner = self._people[OWNER]
            work.append(workloads.change_members(owner, list(GUESTS), list(self._channels), self._rng, self._stop))
        if self._workload.reconnects:
            work.append(workloads.storms(self._tails, self._rng, self._stop))
        return work

    async def _have_the_last_word(self) -> None:
        owner = self._people[OWNER]
        owner.hasty = 0.0
        for channel in self._channels:
            last = await owner.send(channel, LAST_WORDS)
            if not last.ok:
                self.overdue.append(Violation("I9", f"{channel}: all is healed, and a send is answered {last.reason}"))

    async def _catch_up(self) -> None:
        """What they lack when the time is up is found by the checker."""
        heads = {
            each.channel: each.seq
            for each in self.recorder.recording.of(Kind.SEND)
            if each.ok and each.text == LAST_WORDS
        }
        deadline = self.recorder.now() + self._patience_seconds
        while self.recorder.now() < deadline:
            self.away = self._behind(heads)
            if not self.away:
                return
            await asyncio.sleep(0.05)

    def _behind(self, heads: Mapping[str, int]) -> list[str]:
        """Of each session, tail or device, that lacks something of what was said, the user."""
        sessions = [(tail.user, tail.positions) for tail in self._tails]
        sessions += [(name, seen) for name, who in self._people.items() for seen in who.seen_by_devices()]
        return [user for user, seen in sessions if any(seen.get(channel, 0) < seq for channel, seq in heads.items())]

    @property
    def sessions(self) -> int:
        """How many sessions the tails have had so far."""
        return sum(tail.sessions for tail in self._tails)

    async def histories(self) -> dict[str, list[Entry]]:
        """All channels as they read now, from the first event; asked for through the API."""
        return {channel: await _history(self._address, channel, self._secret) for channel in self._channels}


async def _history(address: str, channel: str, secret: Secret) -> list[Entry]:
    entries: list[Entry] = []
    async with back_end(address, secret) as server:
        while True:
            after = entries[-1].seq if entries else 0
            request = message_pb2.ListEventsRequest(channel_id=channel, after_seq=after, page_size=1000)
            page = await server.call("MessageService/ListEvents", request, message_pb2.ListEventsResponse)
            entries += entries_of(page.slice.events)
            if page.slice.to_seq >= page.slice.head_seq or not page.slice.events:
                return entries
