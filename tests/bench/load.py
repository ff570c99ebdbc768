"""Ways to send: as fast as acknowledgements come (a window), or at a rate, whatever comes back."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from tests.bench.ledger import Ledger
from tests.bench.sessions import Session, clock

_LOOK_SECONDS = 0.005
_LOOKS = 6_000  # what was sent must have arrived everywhere within 30 s

Turns = Iterator[tuple[Session, str]]
"""Who sends next, and where."""


class Windowed:
    """Keeps `window` sends unacknowledged until the time is over. The next turn is taken when one is acknowledged.

    `joined`: what may be sent together goes in one frame, as the SDK does it; else each message has a frame of its own.
    """

    def __init__(self, turns: Turns, window: int, *, joined: bool) -> None:
        self._turns = turns
        self._window = window
        self._joined = joined
        self._ids = itertools.count(1)
        self._over = asyncio.Event()

    async def run(self, sessions: Sequence[Session], seconds: float) -> None:
        """Send for so long, or until the turns are over."""
        for session in sessions:
            session.on_acked = self._send
        self._send(self._window)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        self._over.set()

    def _send(self, count: int) -> None:
        if self._over.is_set():
            return
        now_ns = clock()
        frames: dict[Session, list[tuple[int, str, int]]] = {}
        taken = 0
        for session, channel_id in itertools.islice(self._turns, count):
            taken += 1
            send = (next(self._ids), channel_id, now_ns)
            if self._joined:
                frames.setdefault(session, []).append(send)
            else:
                session.send([send])
        for session, sends in frames.items():
            session.send(sends)
        if taken < count:
            self._over.set()


class Paced:
    """Sends at a rate. One that comes late is counted from when it was due, so that no wait of the generator is hidden."""

    def __init__(self, turns: Turns, per_second: float) -> None:
        self._turns = turns
        self._interval_ns = int(1e9 / per_second)

    async def run(self, _sessions: Sequence[Session], seconds: float) -> None:
        begun_ns = clock()
        due_ns = begun_ns
        for request_id in itertools.count(1):
            wait_ns = due_ns - clock()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            session, channel_id = next(self._turns)
            session.send([(request_id, channel_id, due_ns)])
            due_ns += self._interval_ns
            if due_ns - begun_ns > seconds * 1e9:
                return


def in_turn(sessions: Sequence[Session], rooms: Sequence[tuple[str, Sequence[str]]]) -> Turns:
    """The rooms one after the other, round and round; in each its members take turns."""
    by_user = {session.user_id: session for session in sessions}
    for number in itertools.count():
        channel_id, members = rooms[number % len(rooms)]
        yield by_user[members[number // len(rooms) % len(members)]], channel_id


async def settled(ledger: Ledger, sessions: Sequence[Session]) -> None:
    """Wait until every send was answered and every reader has all; at most 30 s."""
    await _until(lambda: not ledger.open_sends)
    await _until(
        lambda: not any(ledger.behind(log, cursor) for session in sessions for log, cursor in session.cursors.items())
    )


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(_LOOKS):
        if holds():
            return
        await asyncio.sleep(_LOOK_SECONDS)
