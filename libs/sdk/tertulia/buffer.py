"""Events between the stream and the consumer, bounded."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from tertulia.events import ClientEvent, LogEvent

DEFAULT_CAPACITY = 1_024
"""Events kept for a slow consumer. A message has at most 57 KiB, so the worst is 57 MiB; usual is below 1 MiB."""


class EventBuffer:
    """A bounded queue with three ways in, by what may happen to an event when there is no room.

    - *Log events* are refused, and the one who offers them fetches them again later: none is lost.
    - *States* (presence, read positions, joined, left, connection) wait beside the queue, the newest per subject.
    - *Signals* (typing) are dropped.

    So the reader of the stream never waits for the consumer, and acknowledgements arrive while the consumer awaits one.
    """

    def __init__(self, capacity: int, on_room: Callable[[], None]) -> None:
        self._capacity = capacity
        self._enough = max(1, capacity // 2)
        self._queue: deque[ClientEvent] = deque()
        self._states: dict[Hashable, ClientEvent] = {}
        self._on_room = on_room
        self._arrived = asyncio.Event()

    @property
    def room(self) -> int:
        return max(0, self._capacity - len(self._queue))

    @property
    def roomy(self) -> bool:
        """Half of it is free: worth fetching a page for."""
        return self.room >= self._enough

    def offer(self, events: Sequence[LogEvent]) -> bool:
        """Take all of these, or none and answer False."""
        if len(events) > self.room:
            return False
        if events:
            self._queue.extend(events)
            self._arrived.set()
        return True

    def put_state(self, subject: Hashable, event: ClientEvent) -> None:
        if self.room and not self._states:
            self._queue.append(event)
        else:
            self._states.pop(subject, None)
            self._states[subject] = event
        self._arrived.set()

    def put_signal(self, event: ClientEvent) -> None:
        if self.room:
            self._queue.append(event)
            self._arrived.set()

    def take(self) -> ClientEvent | None:
        """The next event, if there is one."""
        if self._queue:
            event = self._queue.popleft()
            if self.room == self._enough:
                self._on_room()
            return event
        if self._states:
            return self._states.pop(next(iter(self._states)))
        self._arrived.clear()
        return None

    async def wait(self) -> None:
        """Return once something may be there."""
        await self._arrived.wait()

    def wake(self) -> None:
        """Make `wait` return, for the consumer to look at the client's state."""
        self._arrived.set()
