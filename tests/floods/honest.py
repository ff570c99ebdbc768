"""People who talk to each other at a modest rate, and others who come, say something and go: how they are served."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import tertulia
from tertulia.tokens import DEVELOPMENT_SECRET, Secret

from tests.floods.calls import MALLORY, MALLORYS
from tests.floods.servers import Target
from tests.support.ports import until

_SECRET = Secret.parse(DEVELOPMENT_SECRET)
_ROOM = "honest"
_PEOPLE = ("ada", "bea", "cem", "dot")
_NEWCOMER = "eva"
_PAUSE_SECONDS = 0.5  # between two messages of one person
_LAST_SECONDS = 30.0  # for what is on its way when a flood ends


@dataclass
class Served:
    """How they were served for a while."""

    seconds: list[float] = field(default_factory=list)
    """From when a message was sent until each of the others had it."""
    arrivals: list[float] = field(default_factory=list)
    """How long each newcomer took to connect and send."""
    failures: list[str] = field(default_factory=list)
    """What was refused or did not come."""

    def __str__(self) -> str:
        told = [
            f"{1000 * statistics.median(of):.0f} / {1000 * max(of):.0f}" for of in (self.seconds, self.arrivals) if of
        ]
        return " | ".join([*told, str(len(self.failures))])


class Honest:
    """The people, while they talk."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._sent: dict[str, float] = {}
        self._awaited: dict[str, int] = {}
        """By text: how many have it still to come."""
        self._served = Served()

    def begin(self) -> None:
        """Count anew."""
        self._served = Served()

    async def end(self) -> Served:
        """What was counted, with what was on its way."""
        served, awaited = self._served, list(self._awaited)
        try:
            await until(lambda: not any(text in self._awaited for text in awaited), "all have all", _LAST_SECONDS)
        except AssertionError:
            served.failures += [f"{text} did not come" for text in awaited if text in self._awaited]
        return served

    def client(self, user_id: str) -> tertulia.Client:
        async def token() -> str:
            return _SECRET.user_token(user_id)

        return tertulia.connect(
            self._target.address, token_provider=token, credentials=self._target.credentials(), connect_timeout=30
        )

    async def speak(self, client: tertulia.Client, name: str) -> None:
        for number in itertools.count():
            text = f"{name} {number} {time.monotonic_ns()}"
            self._awaited[text], self._sent[text] = len(_PEOPLE), time.monotonic()
            try:
                await client.send(_ROOM, text, timeout=_LAST_SECONDS)
            except tertulia.TertuliaError as error:
                del self._awaited[text]
                self._served.failures.append(repr(error))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def listen(self, client: tertulia.Client) -> None:
        async for event in client.events():
            if isinstance(event, tertulia.MessageReceived) and event.message.text in self._awaited:
                text = event.message.text
                self._served.seconds.append(time.monotonic() - self._sent[text])
                self._awaited[text] -= 1
                if not self._awaited[text]:
                    del self._awaited[text]

    async def come_and_go(self) -> None:
        """One newcomer after the other."""
        while True:
            begun = time.monotonic()
            try:
                async with self.client(_NEWCOMER) as client:
                    await client.send(_ROOM, "hello", timeout=_LAST_SECONDS)
                self._served.arrivals.append(time.monotonic() - begun)
            except tertulia.TertuliaError as error:
                self._served.failures.append(repr(error))
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def honest(target: Target) -> AsyncIterator[Honest]:
    """They talk while the body runs."""
    people = Honest(target)
    token, credentials = _SECRET.server_token(), target.credentials()
    async with tertulia.connect(target.address, token=token, credentials=credentials, connect_timeout=30) as server:
        await server.users.ensure([*_PEOPLE, _NEWCOMER, MALLORY])
        await server.acting_for(MALLORY).channels.create_group([], channel_id=MALLORYS)
        await server.acting_for(_PEOPLE[0]).channels.create_group([*_PEOPLE[1:], _NEWCOMER], channel_id=_ROOM)
    async with AsyncExitStack() as connected:
        clients = [await connected.enter_async_context(people.client(name)) for name in _PEOPLE]
        work = [people.come_and_go(), *(people.listen(client) for client in clients)]
        work += [people.speak(client, name) for client, name in zip(clients, _PEOPLE, strict=True)]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            yield people
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
