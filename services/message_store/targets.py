"""The messages of a log that events are about, as far as they are in memory."""

from collections import OrderedDict
from weakref import WeakValueDictionary

from libs.log_store import Seq
from libs.log_store.amendments import Target

_KEPT = 64
"""So many of a log are kept: reactions and replies come to a few messages at a time."""

_KEPT_BYTES = 1024 * 1024


class Targets:
    """At most one Target per message. Those not used for longest are let go; one that somebody works with stays the only one.

    A Target goes ahead of the store while what was applied to it is not durable: so one that was read is taken in only if
    none that went further may have been let go since the reading began.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Seq, Target] = OrderedDict()
        self._alive: WeakValueDictionary[Seq, Target] = WeakValueDictionary()
        self._let_go_as_of = 0
        self._unweighed = False
        self.size_bytes = 0
        """About how much memory they take, as of the last `settle`."""

    def get(self, seq: Seq) -> Target | None:
        return self._alive.get(seq)

    def take_in(self, target: Target, head_when_read: Seq) -> Target | None:
        """The Target of a message, by what was read of it if there is none yet; None: read it again."""
        known = self._alive.get(target.seq)
        if known is not None:
            return known
        if self._let_go_as_of > head_when_read:
            return None
        self.use(target)
        return target

    def use(self, target: Target) -> None:
        self._alive[target.seq] = target
        self._kept[target.seq] = target
        self._kept.move_to_end(target.seq)
        self._unweighed = True

    def settle(self) -> None:
        """All that was applied is durable: let go of what is too much."""
        if not self._unweighed:
            return
        self._unweighed = False
        self.size_bytes = sum(target.size_bytes for target in self._kept.values())
        while len(self._kept) > _KEPT or (self.size_bytes > _KEPT_BYTES and self._kept):
            _, target = self._kept.popitem(last=False)
            self.size_bytes -= target.size_bytes
            self._let_go_as_of = max(self._let_go_as_of, target.state.as_of_seq)
