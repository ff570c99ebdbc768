"""Tells on the bus how users are, when that has changed."""

import asyncio
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter
from tertulia.chat.v1 import session_pb2
from tertulia_internal.bus.v1 import signal_pb2

from libs.bus import Bus
from libs.bus.subjects import presence_subject
from services.presence.roster import Standing, User

_BREATH = 100  # signals; a publish alone never lets the bus write what was published, nor anybody else run


class Announcer:
    """Publishes the standing that a user has when their turn comes.

    Not the change itself is queued but the user, so that the last word on a subject is always the present, and what waits is
    bounded by how many users there are.
    """

    def __init__(self, bus: Bus, standing: Callable[[User], Standing], registry: CollectorRegistry) -> None:
        self._bus = bus
        self._standing = standing
        self._changed: dict[User, None] = {}
        self._wake = asyncio.Event()
        self._signals = Counter("tertulia_presence_signals", "Changes of presence announced.", registry=registry)

    def announce(self, users: Iterable[User]) -> None:
        """Announce how these users are, soon."""
        self._changed.update(dict.fromkeys(users))
        self._wake.set()

    async def run(self) -> None:
        """Publish what is to be announced, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, {}
            for count, user in enumerate(changed):
                signal = signal_pb2.PresenceSignal(presence=to_proto(user, self._standing(user)))
                await self._bus.publish(presence_subject(*user), signal.SerializeToString())
                self._signals.inc()
                if count % _BREATH == 0:
                    await asyncio.sleep(0)


def to_proto(user: User, standing: Standing) -> session_pb2.Presence:
    return session_pb2.Presence(user_id=user.user_id, online=standing.online, last_seen_time_ms=standing.last_seen_ms)
