"""Playing a script through live clients, and holding what each of them was shown against the others and the history."""

import asyncio
import secrets
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field

from tertulia.actor import Actor
from tertulia.client import Client
from tertulia.errors import TertuliaError
from tertulia.events import ConnectionChanged, ConnectionState, MessageReceived
from tertulia.models import Message
from tertulia.replaying.latency import Latencies
from tertulia.replaying.script import Line, Part, Script, cast

SEND_SECONDS = 120.0
"""How long one line may take: longer than a server takes to come back."""

LAST_SECONDS = 60.0
"""How long what was said last may take to reach everybody; what has not come by then is missing."""

_OPENING = 16  # clients that connect at a time
_TOLD = 10  # differences that are told one by one

Open = Callable[[str], AbstractAsyncContextManager[Client]]
"""A live client of a user."""


class ReplayStalled(TertuliaError):
    """A client was not shown what had been acknowledged."""


class _Seat:
    """One live client: what it says, and what it was shown."""

    def __init__(self, part: Part, client: Client) -> None:
        self.part = part
        self.client = client
        self.shown = array("L")  # numbers of lines, in the order in which they came
        self.last_seq = 0
        self.unordered = 0
        self.reconnects = 0
        self._wanted = 0
        self._moved = asyncio.Event()

    def show(self, number: int, seq: int) -> None:
        self.unordered += seq <= self.last_seq
        self.last_seq = seq
        self.shown.append(number)
        if len(self.shown) >= self._wanted:
            self._moved.set()

    async def has_seen(self, count: int) -> bool:
        """Wait until so many lines were shown; False if nothing of it came for a minute."""
        self._wanted = count
        while (before := len(self.shown)) < count:
            self._moved.clear()
            try:
                async with asyncio.timeout(LAST_SECONDS):
                    await self._moved.wait()
            except TimeoutError:
                if len(self.shown) == before:
                    return False
        return True


@dataclass(slots=True)
class Result:
    """How it went."""

    channel_id: str
    lines: int
    clients: int
    deliveries: int
    seconds: float
    """From the first line that was sent to the last that was shown."""
    shown: Latencies
    """From a line's being sent to its being shown, for each client."""
    acknowledged: Latencies
    """From a line's being sent to its acknowledgement."""
    reconnects: int
    differences: list[str] = field(default_factory=list)
    """What was not as promised; empty: everybody saw the same lines in the same order, and history has them so."""


class Player:
    """Plays into a channel of which all authors and listeners are members. `server` speaks for the application, which says what
    authors without a client of their own say."""

    def __init__(self, server: Client, open_client: Open, channel_id: str, on_shown: Callable[[int], None]) -> None:
        self._server = server
        self._open = open_client
        self._channel_id = channel_id
        self._on_shown = on_shown
        self._run = secrets.token_hex(4)
        self._actors: dict[str, Actor] = {"": server}
        self._places: list[asyncio.Future[int]] = []
        self._sent_at: list[float] = []
        self._shown, self._acknowledged = Latencies(), Latencies()
        self._last_shown = 0.0

    async def play(self, script: Script, clients: int, speed: float | None) -> Result:
        """Play it, so many times as fast as it was, or as fast as it goes.

        Raises:
            TertuliaError: a line could not be said, or a client not be opened.
        """
        loop = asyncio.get_running_loop()
        self._places = [loop.create_future() for _ in script.lines]
        self._sent_at = [0.0] * len(script.lines)
        async with AsyncExitStack() as stack:
            seats = await self._seats(stack, cast(script, clients))
            begun = time.perf_counter()
            try:
                async with asyncio.TaskGroup() as group:
                    readers = [group.create_task(self._read(seat)) for seat in seats]
                    speakers = [group.create_task(self._speak(seat, script, begun, speed)) for seat in seats]
                    await asyncio.wait(speakers)
                    # who lacks something then is told with the differences
                    await asyncio.wait([group.create_task(seat.has_seen(len(script.lines))) for seat in seats])
                    for reader in readers:
                        reader.cancel()
            except* TertuliaError as errors:
                raise _first_of(errors) from None
            history = [m async for m in self._server.messages.oldest_first(self._channel_id)]
        return Result(
            channel_id=self._channel_id,
            lines=len(script.lines),
            clients=len(seats),
            deliveries=sum(len(seat.shown) for seat in seats),
            seconds=max(self._last_shown - begun, 0.0),
            shown=self._shown,
            acknowledged=self._acknowledged,
            reconnects=sum(seat.reconnects for seat in seats),
            differences=self._differences(seats, history),
        )

    async def _seats(self, stack: AsyncExitStack, parts: Sequence[Part]) -> list[_Seat]:
        room = asyncio.Semaphore(_OPENING)

        async def seat(part: Part) -> _Seat:
            async with room:
                return _Seat(part, await stack.enter_async_context(self._open(part.user_id)))

        async with asyncio.TaskGroup() as group:
            opening = [group.create_task(seat(part)) for part in parts]
        return [task.result() for task in opening]

    async def _speak(self, seat: _Seat, script: Script, begun: float, speed: float | None) -> None:
        first_ms = script.lines[0].time_ms if script.lines else 0
        async with asyncio.TaskGroup() as saying:
            for line in seat.part.lines:
                await self._gate(seat, line)
                if speed is not None:
                    due = begun + (line.time_ms - first_ms) / 1000 / speed
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                reply_to = 0 if line.reply_to is None else await asyncio.shield(self._places[line.reply_to])
                saying.create_task(self._say(seat, line, reply_to))

    async def _gate(self, seat: _Seat, line: Line) -> None:
        """Wait until the client was shown what it is to have seen before it says this."""
        while not await seat.has_seen(line.before):
            if all(place.done() for place in self._places[: line.before]):
                raise ReplayStalled(
                    f"{seat.part.user_id} was shown {len(seat.shown)} of {line.before} lines, though all are acknowledged"
                )

    async def _say(self, seat: _Seat, line: Line, reply_to: int) -> None:
        self._sent_at[line.number] = time.perf_counter()
        sent = await self._voice(seat, line.author).send(
            self._channel_id,
            line.text,
            reply_to=reply_to,
            mentions=line.mentions,
            custom_type=line.custom_type,
            custom_data=line.custom_data,
            client_message_id=f"{self._run}-{line.number}",
            timeout=SEND_SECONDS,
        )
        self._acknowledged.add(time.perf_counter() - self._sent_at[line.number])
        self._places[line.number].set_result(sent.seq)

    def _voice(self, seat: _Seat, author: str) -> Actor:
        if author == seat.part.user_id:
            return seat.client
        if author not in self._actors:
            self._actors[author] = self._server.acting_for(author)
        return self._actors[author]

    async def _read(self, seat: _Seat) -> None:
        async for event in seat.client.events():
            match event:
                case MessageReceived(message) if message.channel_id == self._channel_id:
                    if (number := self._number(message)) is not None:
                        self._last_shown = time.perf_counter()
                        self._shown.add(self._last_shown - self._sent_at[number])
                        seat.show(number, message.seq)
                        self._on_shown(1)
                case ConnectionChanged(ConnectionState.CONNECTING):
                    seat.reconnects += 1

    def _number(self, message: Message) -> int | None:
        run, _, number = message.client_message_id.partition("-")
        return int(number) if run == self._run else None

    def _differences(self, seats: Sequence[_Seat], history: Sequence[Message]) -> list[str]:
        places = {number: m.seq for m in history if (number := self._number(m)) is not None}
        in_order = array("L", places)
        found = []
        for number, place in enumerate(self._places):
            if places.get(number) != place.result():
                found.append(
                    f"line {number} was acknowledged at {place.result()}, history has it at {places.get(number)}"
                )
        if len(places) < sum(self._number(m) is not None for m in history):
            found.append("history has a line twice")
        for seat in seats:
            if seat.unordered:
                found.append(f"{seat.part.user_id} was shown {seat.unordered} lines out of order")
            if seat.shown != in_order:
                at = next((n for n, (a, b) in enumerate(zip(seat.shown, in_order, strict=False)) if a != b), None)
                where = f"others from place {at} on" if at is not None else "others"
                found.append(f"{seat.part.user_id} was shown {len(seat.shown)} of {len(in_order)} lines, {where}")
        return found[:_TOLD] + ([f"… and {len(found) - _TOLD} more"] if len(found) > _TOLD else [])


def _first_of(errors: BaseExceptionGroup[TertuliaError]) -> TertuliaError:
    """One error says as much as all of them: what fails for one client fails for the others."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, TertuliaError)  # noqa: S101 - by the type of the group
    return error
