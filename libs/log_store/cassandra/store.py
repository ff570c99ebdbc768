"""A LogStore on Cassandra."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from libs.cassandra import CassandraUnavailable, Session
from libs.log_store.bodies import head_after
from libs.log_store.cassandra import rows
from libs.log_store.cassandra.amending import amend
from libs.log_store.cassandra.asking import answered_in_time, each
from libs.log_store.cassandra.dirty import Position, Windows
from libs.log_store.cassandra.durable import all_until_durable, until_durable
from libs.log_store.cassandra.fence import Barrier
from libs.log_store.cassandra.marks import write_mark
from libs.log_store.cassandra.mentions import count_mentions
from libs.log_store.cassandra.overlays import read_entries
from libs.log_store.cassandra.owned import OwnedLog, OwnedLogs
from libs.log_store.cassandra.recoveries import Recoveries
from libs.log_store.cassandra.vocabulary import Epoch, EpochRow, Incarnation
from libs.log_store.errors import SeqTaken, StoreUnavailable
from libs.log_store.shards import Shards
from libs.log_store.types import (
    SHARDS,
    Changes,
    Entry,
    Head,
    LogBatch,
    LogKey,
    LogPosition,
    MentionQuery,
    Recovered,
    Row,
    SendId,
    Sent,
    Seq,
    Shown,
    shard_of,
)

MARK_SECONDS = 1.0
"""How often a log's mark is written at most."""

_OWNED_BYTES = 64 * 1024 * 1024  # some 40,000 logs, with last messages of usual size
_ANY_SIZE = 1 << 62


class CassandraLogStore:
    """A LogStore. Made by `cassandra_log_store`."""

    def __init__(self, session: Session, incarnation: Incarnation, tasks: asyncio.TaskGroup) -> None:
        """It owns nothing yet: see `take`. `tasks` runs recoveries: see Recoveries."""
        self.shards = Shards()
        self._session = session
        self._logs = OwnedLogs(_OWNED_BYTES)
        self._windows: dict[int, Windows] = {}
        """Of our shards, with their epochs."""
        self._barrier = Barrier(session, incarnation, self._logs.begin_barrier)
        self._recoveries = Recoveries(session, self.shards, self.epoch_of, self._logs, self._barrier, tasks)
        self.commits = 0

    def epoch_of(self, shard: int) -> Epoch:
        """The epoch of a shard that is ours."""
        return self._windows[shard].epoch

    def owns(self, shard: int) -> bool:
        """Whether it is ours, be it that it is about to be given away."""
        return shard in self._windows

    def take(self, epochs: Mapping[int, Epoch]) -> None:
        """These shards are ours from now on."""
        self._windows.update((shard, Windows(self._session, shard, epoch)) for shard, epoch in epochs.items())
        self.shards.opened(epochs)

    async def drained(self, shards: Collection[int]) -> bool:
        """Bring everything of shards that are closed to its end, so that they can be given away: what was appended is below the
        marks, and no recovery is under way. Whether nothing is left in doubt.

        Raises:
            Fenced: they are not ours any more.
        """
        await self.shards.appended(shards)
        self.shards.ended(shards)
        await self._recoveries.settled(shards)
        await self.barrier()
        await self.write_marks(shards)
        return not self._logs.any_in_doubt(shards)

    def let_go(self, shards: Iterable[int]) -> None:
        """These shards, which were drained, are another's."""
        gone = set(shards)
        for shard in gone:
            del self._windows[shard]
        self._logs.forget(gone)
        self.shards.lost(gone)

    async def append(self, batches: Sequence[LogBatch]) -> None:
        logs = {batch.log for batch in batches}
        with self.shards.appending(set(map(shard_of, logs))), self._logs.held(logs):
            await self._append(batches)

    async def _append(self, batches: Sequence[LogBatch]) -> None:
        if any(len(batch.rows) > rows.MAX_ROWS_AHEAD for batch in batches):
            raise ValueError(f"more than {rows.MAX_ROWS_AHEAD} rows of one log at a time")
        logs = await each(self._recoveries.owned, [batch.log for batch in batches])
        writing: list[tuple[OwnedLog, LogBatch]] = []
        for owned, batch in zip(logs, batches, strict=True):
            if owned.in_doubt:
                raise StoreUnavailable(writing=True)
            new = await self._not_there(owned, batch.rows)
            if new:  # else what follows from them is durable, too
                writing.append((owned, batch._replace(rows=new)))
        try:
            await self._write(writing)
        except BaseException:  # cancelled: it is never learnt here what was written
            for owned, _ in writing:
                owned.in_doubt = True
            raise

    async def _not_there(self, owned: OwnedLog, batch: Sequence[Row]) -> Sequence[Row]:
        """The rows above the head.

        Raises:
            SeqTaken: another row is where one of the others belongs.
        """
        if not batch or batch[0].seq == owned.durable.seq + 1:
            return batch
        if batch[0].seq > owned.durable.seq:
            raise ValueError(f"seq {batch[0].seq} does not follow the head {owned.durable.seq}")
        repeated = [row for row in batch if row.seq <= owned.durable.seq]
        async with answered_in_time():
            there = await self._read(owned, repeated[0].seq, repeated[-1].seq, limit=len(repeated), max_bytes=_ANY_SIZE)
        for row, found in zip(repeated, there, strict=True):
            if not found.repeats(row):
                raise SeqTaken(owned.key, row.seq)
        return batch[len(repeated) :]

    async def _write(self, writing: Sequence[tuple[OwnedLog, LogBatch]]) -> None:
        by_shard: defaultdict[int, list[OwnedLog]] = defaultdict(list)
        for owned, _ in writing:
            by_shard[shard_of(owned.key)].append(owned)
        shards = list(by_shard)
        windows = await asyncio.gather(*(self._windows[shard].begin_append(by_shard[shard]) for shard in shards))
        writes = [
            write
            for owned, batch in writing
            for write in rows.writes(
                self._session, owned.key, [EpochRow(row, self.epoch_of(shard_of(owned.key))) for row in batch.rows]
            )
        ]
        await self._barrier.fresh()
        await all_until_durable(writes)
        self.commits += len(writes)
        await self._amend([(owned, batch) for owned, batch in writing if any(batch.amendments)])
        for owned, batch in writing:  # not earlier: no mark passes an event whose amendments are not durable
            self._logs.became_durable(owned, head_after(owned.durable, batch.rows, batch.amendments))
        for shard, window in zip(shards, windows, strict=True):
            self._windows[shard].end_append(window)

    async def _amend(self, amending: Sequence[tuple[OwnedLog, LogBatch]]) -> None:
        if not amending:
            return
        await self.barrier()  # the rows are durable: with this they stay

        async def amend_one(item: tuple[OwnedLog, LogBatch]) -> None:
            owned, (key, new, amendments) = item
            chain = await until_durable(lambda: self._recoveries.chain(owned))
            # what is deleted may have been sent before a takeover, too; the chain is that of the log's recovery, before the barrier
            if amendments.redactions and not owned.ghosts_erased:
                await rows.erase_ghosts(self._session, key, chain)
                owned.ghosts_erased = True
            await amend(self._session, key, chain, amendments)
            if amendments.redactions:  # the stored mark may show what was deleted
                mark = head_after(owned.durable, new, amendments)
                await until_durable(lambda: write_mark(self._session, key, mark))
                owned.marked = max(owned.marked, mark.seq)

        await each(amend_one, amending)

    async def barrier(self) -> None:
        await self._barrier.passed()

    async def recover(self, log: LogKey, remembered: int) -> Recovered:
        async with answered_in_time():
            owned = await self._recoveries.owned(log)
            head = owned.durable
            first = Seq(max(head.seq - remembered, 0) + 1)
            return Recovered(
                head, await rows.read_sent(self._session, log, await self._recoveries.chain(owned), first, head.seq)
            )

    async def find_sent(self, log: LogKey, sends: Collection[SendId], first: Seq, last: Seq) -> list[Sent]:
        async with answered_in_time():
            known = await self._recoveries.known(log)
            last = Seq(min(last, known.durable.seq))
            return await rows.find_sent(self._session, log, await self._recoveries.chain(known), sends, first, last)

    async def read(
        self, log: LogKey, first: Seq, last: Seq, *, limit: int, max_bytes: int, backward: bool = False
    ) -> list[Shown]:
        async with answered_in_time():
            known = await self._recoveries.known(log)
            if last > known.marked:
                await self.barrier()  # below the mark anybody may read
            first, last = Seq(max(first, 1)), Seq(min(last, known.durable.seq))
            found = await self._read(known, first, last, limit=limit, max_bytes=max_bytes, backward=backward)
            return [Shown(row.seq, row.kind, row.event + state) for row, _, state in found]

    async def _read(
        self, known: OwnedLog, first: Seq, last: Seq, *, limit: int, max_bytes: int, backward: bool = False
    ) -> list[Entry]:
        chain = await self._recoveries.chain(known)
        return await read_entries(
            self._session, known.key, chain, first, last, limit=limit, max_bytes=max_bytes, backward=backward
        )

    async def entries(self, log: LogKey, seqs: Sequence[Seq]) -> list[Entry | None]:
        async with answered_in_time():
            known = await self._recoveries.known(log)
            if any(seq > known.marked for seq in seqs):
                await self.barrier()

            async def entry(seq: Seq) -> Entry | None:
                if not 1 <= seq <= known.durable.seq:
                    return None
                (found,) = await self._read(known, seq, seq, limit=1, max_bytes=1)
                return found

            return await each(entry, seqs)

    async def heads(self, logs: Sequence[LogKey], *, with_last_message: bool) -> list[Head]:
        async with answered_in_time(len(logs)):
            known = [found.durable for found in await self._recoveries.all_known(logs)]
            await self.barrier()
            return known if with_last_message else [head._replace(last_message=b"") for head in known]

    async def counts(self, positions: Sequence[LogPosition]) -> list[int]:
        async with answered_in_time(len(positions)):
            counts = await each(self._count, positions)
            await self.barrier()
            return counts

    async def _count(self, position: LogPosition) -> int:
        log, seq = position
        if seq == 0:
            return 0
        known = await self._recoveries.known(log)
        if seq >= known.durable.seq:
            return known.durable.message_count if seq == known.durable.seq else -1
        (found,) = await rows.read_rows(
            self._session, log, await self._recoveries.chain(known), seq, seq, limit=1, max_bytes=1
        )
        return found.row.message_count

    async def mention_counts(self, queries: Sequence[MentionQuery]) -> list[int]:
        async with answered_in_time(len(queries)):
            return await each(lambda query: count_mentions(self._session, query), queries)

    async def changes(self, shard: int, after: str, limit: int) -> Changes:
        position = Position.parse(after)
        newest: dict[LogKey, Seq] = {}
        if not self.owns(shard):
            raise self.shards.refuse(shard)
        windows = self._windows[shard]
        async with answered_in_time():
            while len(newest) < limit:
                listed = await windows.changes(position, limit - len(newest))
                if not listed:
                    break
                for so_far, log in listed:
                    position = so_far
                    head = (await self._recoveries.known(log)).durable
                    if head.seq:  # an append that was begun and never became durable leaves no row, but its log's name
                        newest[log] = head.seq
            await self.barrier()
        return Changes(
            [LogPosition(log, seq) for log, seq in newest.items()], str(position) if any(position) else after
        )

    async def recover_dirty(self, epochs: Mapping[int, Epoch]) -> None:
        """As Recoveries.recover_dirty."""
        await self._recoveries.recover_dirty(epochs)

    async def write_marks(self, shards: Collection[int] = range(SHARDS)) -> None:
        """Write the marks of all logs of some shards that moved. What fails is left to the next time."""

        async def write(item: tuple[OwnedLog, Head]) -> None:
            owned, mark = item
            try:
                await write_mark(self._session, owned.key, mark)
            except CassandraUnavailable:
                self._logs.mark_later([owned])
            else:
                owned.marked = max(owned.marked, mark.seq)

        await each(write, self._logs.unmarked(shards))

    async def settle(self) -> None:
        """Bring everything into the database before the store is closed."""
        await self._recoveries.settled()
        await self.barrier()
        await self.write_marks()

    def abandon(self) -> None:
        """Leave undone what does not come to its end."""
        self._recoveries.abandon()
