"""When the members of a log last sent a message, as slow mode needs it."""

from collections import OrderedDict

from libs.log_store import Millis

LONGEST_SLOW_MODE_MS = 6 * 60 * 60 * 1000
"""As ChannelFields.slow_mode_seconds in the public API allows: whoever sent nothing for so long need not be remembered."""

MAX_SENDERS = 10_000
"""Of one log: 2 MB. Of more who sent something in 6 hours those are forgotten that did so longest ago."""

_BYTES_PER_SENDER = 200  # measured: an entry, its place in the order, a time, a short string


class LastSpoke:
    """The time of the last message of each sender. It goes back further than the events that are remembered."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, Millis] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return _BYTES_PER_SENDER * len(self._times)

    def note(self, sender_user_id: str, now_ms: Millis) -> None:
        """A message was sent. Forgets who need not be remembered any more."""
        self._times[sender_user_id] = now_ms
        self._times.move_to_end(sender_user_id)
        while len(self._times) > MAX_SENDERS or now_ms - next(iter(self._times.values())) > LONGEST_SLOW_MODE_MS:
            self._times.popitem(last=False)

    def wait_ms(self, sender_user_id: str, slow_mode_ms: int, now_ms: Millis) -> int:
        """How long a sender is to wait; 0: not at all. A clock that was set back holds nobody up."""
        elapsed_ms = now_ms - self._times.get(sender_user_id, Millis(0))
        return slow_mode_ms - elapsed_ms if 0 <= elapsed_ms < slow_mode_ms else 0
