"""What the owner knows of its logs."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from libs.log_store.cassandra.vocabulary import Chain
from libs.log_store.types import EMPTY_HEAD, SHARDS, Head, LogKey, Seq, shard_of

_BYTES_PER_LOG = 1_500  # beside the last message, measured: the object, its head, its chain, its place


class OwnedLog:
    """One log of which the head is known."""

    __slots__ = ("chain", "dirty_window", "durable", "ghosts_erased", "head", "in_doubt", "key", "marked", "sealed")

    def __init__(self, key: LogKey, durable: Head, *, marked: Seq, chain: Chain | None, sealed: bool) -> None:
        self.key = key
        self.durable = durable
        """Up to here the rows are durable without a gap."""
        self.head = durable if not sealed else EMPTY_HEAD
        """The high-water mark: of what was durable when the last barrier began that this process passed."""
        self.marked = marked
        """The newest mark that is durable."""
        self.chain = chain
        """None: not read yet."""
        self.sealed = sealed
        """Its newest epoch is ours: appends may go on. Otherwise there is nothing above `durable`, and it was only read."""
        self.dirty_window = 0
        """The newest window that is known to have the log in `dirty`."""
        self.ghosts_erased = False
        """What older owners wrote, or will have written, behind their ends is erased: see rows.erase_ghosts."""
        self.in_doubt = False
        """Rows were sent of which it will never be known here whether they were written."""

    @property
    def size_bytes(self) -> int:
        return _BYTES_PER_LOG + len(self.durable.last_message)

    @property
    def at_rest(self) -> bool:
        """Everything that is known of it is in the database as well."""
        return self.marked == self.durable.seq and not self.in_doubt


class OwnedLogs:
    """The logs in memory; beyond `memory_bytes` those at rest that were not used for longest are forgotten."""

    def __init__(self, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._logs: OrderedDict[LogKey, tuple[OwnedLog, int]] = OrderedDict()
        self._bytes = 0
        self._held: Counter[LogKey] = Counter()
        self.sealed_forgotten = 0
        """How many that were sealed have been forgotten: what was read of a log before that may be old."""
        self._unconfirmed: set[OwnedLog] = set()
        self._unmarked: set[OwnedLog] = set()

    def get(self, key: LogKey) -> OwnedLog | None:
        found = self._logs.get(key)
        if found is None:
            return None
        self._logs.move_to_end(key)
        return found[0]

    def keep(self, log: OwnedLog) -> None:
        """Remember a log, or weigh it again."""
        size = log.size_bytes
        _, before = self._logs.pop(log.key, (log, 0))
        self._logs[log.key] = (log, size)
        self._bytes += size - before
        while self._bytes > self._memory_bytes:
            oldest = next(
                (key for key, (each, _) in self._logs.items() if each.at_rest and key not in self._held), None
            )
            if oldest is None or oldest == log.key:
                return
            forgotten, size = self._logs.pop(oldest)
            self._bytes -= size
            self.sealed_forgotten += forgotten.sealed

    @contextmanager
    def held(self, keys: Collection[LogKey]) -> Iterator[None]:
        """These are being appended to and not forgotten meanwhile: whoever read them anew would see what is half written."""
        self._held.update(keys)
        try:
            yield
        finally:
            for key in keys:
                self._held[key] -= 1
                if not self._held[key]:
                    del self._held[key]

    def became_durable(self, log: OwnedLog, durable: Head) -> None:
        log.durable = durable
        self._unconfirmed.add(log)
        self.keep(log)

    def begin_barrier(self) -> Callable[[], None]:
        """A barrier begins now. To be called when it is passed: what is durable now is below the high-water marks then. One that is
        given up changes nothing."""
        durable = [(log, log.durable) for log in self._unconfirmed]

        def passed() -> None:
            for log, head in durable:
                if head.seq > log.head.seq:
                    log.head = head
                    self._unmarked.add(log)
                if log.durable is head:
                    self._unconfirmed.discard(log)

        return passed

    def unmarked(self, shards: Collection[int] = range(SHARDS)) -> list[tuple[OwnedLog, Head]]:
        """The logs of some shards of which the high-water mark is above the stored mark, each once."""
        logs = {log for log in self._unmarked if shard_of(log.key) in shards}
        self._unmarked -= logs
        return [(log, log.head) for log in logs if log.head.seq > log.marked]

    def mark_later(self, logs: Iterable[OwnedLog]) -> None:
        self._unmarked.update(logs)

    def any_in_doubt(self, shards: Collection[int] = range(SHARDS)) -> bool:
        return any(log.in_doubt for key, (log, _) in self._logs.items() if shard_of(key) in shards)

    def forget(self, shards: Collection[int]) -> None:
        """Others go on with the logs of these shards: what is known here is soon not true."""
        for key in [key for key in self._logs if shard_of(key) in shards]:
            _, size = self._logs.pop(key)
            self._bytes -= size
        for logs in (self._unconfirmed, self._unmarked):
            logs.difference_update([log for log in logs if shard_of(log.key) in shards])
