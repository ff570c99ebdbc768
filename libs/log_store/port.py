"""The port of the logs."""

from collections.abc import Collection, Sequence
from typing import Protocol

from libs.log_store.shards import Shards
from libs.log_store.types import (
    Changes,
    Entry,
    Head,
    LogBatch,
    LogKey,
    LogPosition,
    MentionQuery,
    Recovered,
    SendId,
    Sent,
    Seq,
    Shown,
)


class LogStore(Protocol):
    """Ordered, append-only logs, each with one owner at a time, who gives out the seqs.

    What an append wrote is in every later read, and reads give rows only that will stay. No row is ever removed; a
    redaction takes the content out of one, for ever and everywhere. All methods may be repeated with the same arguments.
    Besides the errors named at a method, each but `barrier` may raise StoreUnavailable, and NotOwner for a log of another.
    """

    shards: Shards
    """Those of this process. What is told from memory, or of heads, is true only if they did not change meanwhile: see
    Shards.reading."""

    async def append(self, batches: Sequence[LogBatch]) -> None:
        """Write rows and what follows from them, durable on return; all or none. A log is named by one batch at most.

        The first row of a batch follows the log's head. Nothing of what follows from a row is to be seen before it is
        sure that the row stays; and before a log is read or appended to after its owner died, what follows from its last
        rows is written again. Repeating what was written is harmless. An engine that cannot tell whether it wrote repeats
        by itself until it can, or is fenced.

        Raises:
            StoreUnavailable: nothing was written. Other rows may be written at the same seqs, and then these never
                come up; until then they may, when the process dies and the store is opened again.
            SeqTaken: another event is at a seq; nothing was written.
            Fenced: another process owns a log.
        """

    async def barrier(self) -> None:
        """Make sure that this process still owned its logs when this was called.

        To be passed between an append and its acknowledgement, and before a head is told from memory. Returns only when
        it is sure.

        It says nothing of shards that were given away: see Shards.

        Raises:
            Fenced: it did not.
        """

    async def recover(self, log: LogKey, remembered: int) -> Recovered:
        """What the owner of a log must know to go on: its head, and the last `remembered` events, or all if there are fewer."""

    async def find_sent(self, log: LogKey, sends: Collection[SendId], first: Seq, last: Seq) -> list[Sent]:
        """The events from `first` to `last` that were sent under these ids, in order of seq. The cost grows with the range."""

    async def read(
        self, log: LogKey, first: Seq, last: Seq, *, limit: int, max_bytes: int, backward: bool = False
    ) -> list[Shown]:
        """Rows from `first` to `last` as readers get them, always in order of seq and without a gap.

        At most `limit`, ending with the one whose event reaches `max_bytes` in sum: the first ones, or the last ones if
        `backward`.
        """

    async def entries(self, log: LogKey, seqs: Sequence[Seq]) -> list[Entry | None]:
        """The rows at some seqs with their states, in their order; None where there is none."""

    async def heads(self, logs: Sequence[LogKey], *, with_last_message: bool) -> list[Head]:
        """The heads of any number of logs, in their order; EMPTY_HEAD for a log without rows."""

    async def counts(self, positions: Sequence[LogPosition]) -> list[int]:
        """The running message counts at places, in their order; 0 at seq 0, -1 above a log's head."""

    async def mention_counts(self, queries: Sequence[MentionQuery]) -> list[int]:
        """How many messages mention a user, in the order of the queries; at most MENTIONS_COUNTED, of the newest
        MENTIONS_SEARCHED."""

    async def changes(self, shard: int, after: str, limit: int) -> Changes:
        """At most `limit` logs of a shard with rows written after a position; `after` empty: from the beginning.

        Whoever asks again and again, each time with `next` of the last answer, hears of every row of the shard, at least
        once, also of those appended meanwhile. No logs: nothing was written since.

        Raises:
            ValueError: `after` is no position of this store.
        """
