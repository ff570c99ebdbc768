"""Who is typing, so that a stop that got lost is told too."""

import asyncio
from collections.abc import Callable

FORGET_SECONDS = 6.0  # the protocol's: typing that was not heard of for so long is over
_MAX_TYPISTS = 1_000  # beyond, signals are passed over; nobody reads so many names


class Typists:
    """Calls `tell(channel_id, user_id, active)` when somebody begins, and when they stop, say something or fall silent."""

    def __init__(self, tell: Callable[[str, str, bool], None]) -> None:
        self._tell = tell
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def on_signal(self, channel_id: str, user_id: str, active: bool) -> None:
        who = (channel_id, user_id)
        timer = self._timers.pop(who, None)
        if timer is not None:
            timer.cancel()
        if active and len(self._timers) < _MAX_TYPISTS:
            self._timers[who] = asyncio.get_running_loop().call_later(FORGET_SECONDS, self.stopped, channel_id, user_id)
            if timer is None:
                self._tell(channel_id, user_id, True)
        elif timer is not None:
            self._tell(channel_id, user_id, False)

    def stopped(self, channel_id: str, user_id: str) -> None:
        self.on_signal(channel_id, user_id, False)

    def clear(self) -> None:
        """Everybody stopped, as far as can be known."""
        for channel_id, user_id in list(self._timers):
            self.stopped(channel_id, user_id)
