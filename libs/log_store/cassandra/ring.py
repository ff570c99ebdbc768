"""The processes that share the shards: each takes its share of those of the dead, and asks the living for what it lacks."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

import structlog

from libs.cassandra import CassandraUnavailable, Session
from libs.log_store.cassandra.fence import write_fence
from libs.log_store.cassandra.heartbeats import HEARTBEAT_SECONDS, LOOK_SECONDS, Heart, Member, State, Watch
from libs.log_store.cassandra.ownership import Ownership, compare_and_set, read_ownerships
from libs.log_store.cassandra.shares import Shares, shares
from libs.log_store.cassandra.store import CassandraLogStore
from libs.log_store.cassandra.vocabulary import NOBODY, Epoch, Incarnation
from libs.log_store.errors import Fenced
from libs.rpc.errors import TertuliaError
from libs.runtime.process import running

log = structlog.get_logger()

Ask: TypeAlias = Callable[[str, Sequence[int], str], Awaitable[Mapping[int, int]]]
"""Asks the process at an address for shards, for the named incarnation, as Ring.hand_over; raises TertuliaError."""

SHARDS_AT_A_TIME = 2
"""So many change hands together: for as long they are not served, and then their logs are recovered, all at once. With eight at a
time the logs that are written to waited twice as long on two cores."""

_DRAIN_SECONDS = 1.0  # for what is being appended; if it takes longer the shards stay where they are
_PUT_OFF_SECONDS = 5.0  # and nothing is given away for so long: the database is slow
_PAUSE_SECONDS = 0.05  # between two handovers to us, for what goes on beside them
_LEAVE_SECONDS = (
    8.0  # for the others to ask for our shards: two processes asked for 85 of them within 2.2 s, on two cores
)
_LINGER_SECONDS = 0.5  # for those who still come here to hear where to go
_LOOKS_PER_READ = 2  # at heartbeats, for one at the table of owners, which costs more
_SHORTLY_SECONDS = 0.02


class CassandraRing:
    """A Ring. `run` is its one task."""

    def __init__(
        self,
        session: Session,
        store: CassandraLogStore,
        me: Member,
        heart: Heart,
        watch: Watch,
        ask: Ask,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """`tasks` runs handovers: one that fails ends the store."""
        self.address = me.address
        self._session = session
        self._store = store
        self._me = me
        self._heart = heart
        self._watch = watch
        self._ask = ask
        self._tasks = tasks
        self._seen: dict[int, Ownership] = {}
        self._changes = 0
        """How often shards became ours, or were given away: what was read before that is old."""
        self._target: Shares = {}
        self._looks = 0
        self._looked = asyncio.Event()
        self._complete = asyncio.Event()
        """Every shard has an owner that seems alive."""
        self._waits = False
        self._fenced: set[Incarnation] = set()
        self._taken: dict[int, Epoch] = {}
        """Shards that have just become ours: the logs that were being written are to be recovered."""
        self._has_taken = asyncio.Event()
        self._given: Counter[int] = Counter()
        """How often each shard was given away."""
        self._handing_over = asyncio.Lock()
        self._put_off_until = 0.0
        store.shards.where = self.where

    async def complete(self) -> None:
        """Wait until every shard has an owner that seems alive."""
        await self._complete.wait()

    def owners(self) -> Mapping[str, Collection[int]]:
        owners: defaultdict[str, list[int]] = defaultdict(list)
        for shard in self._seen:
            if address := self.where(shard):
                owners[address].append(shard)
        return owners

    def where(self, shard: int) -> str:
        """The address of a shard's owner as far as known; empty: not known."""
        owner = self._seen[shard].owner if shard in self._seen else NOBODY
        return self._me.address if owner == self._me.incarnation else self._watch.address(owner)

    async def run(self) -> None:
        """Keep our share, for ever.

        Raises:
            ExceptionGroup: of Fenced: we were taken for dead, or cannot be sure of what we own.
        """
        async with running(self._look_for_ever(), self._ask_for_ever(), self._recover_for_ever()):
            while True:  # an owner without work, or whose writes do not succeed, must learn of its end, too
                await asyncio.sleep(HEARTBEAT_SECONDS)
                await self._store.barrier()

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self._look()
            except CassandraUnavailable as error:
                log.warning("ownership_not_read", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        await self._watch.look(self._session)
        owners = {owner for _, owner in self._seen.values()}
        self._looks += 1
        if self._looks % _LOOKS_PER_READ == 0 or not owners or any(map(self._is_to_be_taken_from, owners)):
            await self._read_owners()
        self._target = self._shares()
        await self._take_over()
        self._looked.set()
        others = {owner for _, owner in self._seen.values()} - {self._me.incarnation}
        if all(self._watch.shares_with_us(owner) for owner in others):
            self._complete.set()
        elif not self._waits and any(self._watch.rings_elsewhere(owner) for owner in others):
            self._waits = True
            log.info("another_process_owns_the_logs", owners=sorted(others), ours=self._me.incarnation)

    async def _read_owners(self) -> None:
        changes = self._changes
        seen = await read_ownerships(self._session)
        if self._changes == changes:
            self._seen = seen
            # handed over by a process whose answer was lost, or by a compare-and-set that was applied late
            ours = {s: o.epoch for s, o in seen.items() if o.owner == self._me.incarnation and not self._store.owns(s)}
            self._take(ours)

    def _shares(self) -> Shares:
        leaves = self._heart.state is not State.OWNER
        return shares(self._watch.members() | (set() if leaves else {self._me.incarnation}))

    async def _take_over(self) -> None:
        """Take our share of what the dead owned, and nobody: fence them, wait for the fence, compare and set."""
        if not self._watch.knows_all():
            return  # others who live may have their share in it
        theirs: defaultdict[Incarnation, dict[int, Ownership]] = defaultdict(dict)
        for shard, ownership in self._seen.items():
            if self._target.get(shard) == self._me.incarnation != ownership.owner:
                theirs[ownership.owner][shard] = ownership
        for owner, seen in theirs.items():
            if not self._is_to_be_taken_from(owner):
                continue
            if owner not in {NOBODY, *self._fenced}:
                log.warning("fencing", owner=owner, ours=self._me.incarnation, shards=len(seen))
                await write_fence(self._session, owner)
                self._fenced.add(owner)
            epochs = {shard: Epoch(before.epoch + 1) for shard, before in seen.items()}
            wanted = {shard: Ownership(epoch, self._me.incarnation) for shard, epoch in epochs.items()}
            if await compare_and_set(self._session, seen, wanted):  # if not, the next look tells what became of it
                log.info("took_over", owner=owner, ours=self._me.incarnation, shards=len(seen))
                self._take(epochs)

    def _is_to_be_taken_from(self, owner: Incarnation) -> bool:
        return owner == NOBODY or (owner != self._me.incarnation and self._watch.is_gone(owner))

    def _take(self, epochs: Mapping[int, Epoch]) -> None:
        if not epochs:
            return
        self._store.take(epochs)
        self._note(epochs, self._me.incarnation)
        self._taken |= epochs
        self._has_taken.set()

    def _note(self, epochs: Mapping[int, Epoch], owner: Incarnation) -> None:
        self._changes += 1
        self._seen |= {shard: Ownership(epoch, owner) for shard, epoch in epochs.items()}

    async def _recover_for_ever(self) -> None:
        while True:
            await self._has_taken.wait()
            self._has_taken.clear()
            taken, self._taken = self._taken, {}
            await self._store.recover_dirty(taken)

    async def _ask_for_ever(self) -> None:
        while True:
            await self._looked.wait()
            self._looked.clear()
            lacking: defaultdict[Incarnation, list[int]] = defaultdict(list)
            for shard, (_, owner) in self._seen.items():
                if self._target.get(shard) == self._me.incarnation != owner and self._watch.shares_with_us(owner):
                    lacking[owner].append(shard)
            for owner, shards_of_owner in lacking.items():
                await self._ask_owner(owner, shards_of_owner)

    async def _ask_owner(self, owner: Incarnation, lacking: Sequence[int]) -> None:
        for start in range(0, len(lacking), SHARDS_AT_A_TIME):
            asked = lacking[start : start + SHARDS_AT_A_TIME]
            given_before = self._given.copy()
            asked_at = time.monotonic()
            try:
                given = await self._ask(self._watch.address(owner), asked, self._me.incarnation)
            except TertuliaError as error:
                log.warning("shards_not_handed_over", owner=owner, error=str(error))
                return
            if not given:
                return  # it sees other members than we do, for now
            # one that a look has shown us already may have been given away again since
            news = [s for s in given if not self._store.owns(s) and self._given[s] == given_before[s]]
            self._take({shard: Epoch(given[shard]) for shard in news})
            # for as long, at most, they were open nowhere
            seconds = round(time.monotonic() - asked_at, 4)
            log.info("taken_by_handover", owner=owner, ours=self._me.incarnation, shards=len(news), seconds=seconds)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def hand_over(self, shards: Collection[int], heir: str) -> Mapping[int, int]:
        # whoever asked may be gone before it is done
        return await asyncio.shield(self._tasks.create_task(self._hand_over(shards, Incarnation(heir))))

    async def _hand_over(self, asked: Collection[int], heir: Incarnation) -> Mapping[int, Epoch]:
        async with self._handing_over:
            shards = [s for s in set(asked) if self._target.get(s) == heir and self._store.shards.is_open(s)]
            if not shards or self._put_off_until > time.monotonic():
                return {}
            del shards[SHARDS_AT_A_TIME:]
            self._store.shards.closed(shards)
            try:
                async with asyncio.timeout(_DRAIN_SECONDS):
                    drained = await self._store.drained(shards)
            except TimeoutError:
                drained = False
            if not drained:  # nothing was changed: go on
                log.warning("shards_not_drained", shards=len(shards), heir=heir)
                self._put_off_until = time.monotonic() + _PUT_OFF_SECONDS
                self._store.shards.opened(shards)
                return {}
            epochs = {shard: self._store.epoch_of(shard) for shard in shards}
            await self._give(epochs, heir)
            return epochs

    async def _give(self, epochs: Mapping[int, Epoch], heir: Incarnation) -> None:
        """Give drained shards away, with their epochs. If that did not clearly succeed it may still be done, and there is no way
        back: the process ends, and is fenced."""
        seen = {shard: Ownership(epoch, self._me.incarnation) for shard, epoch in epochs.items()}
        wanted = {shard: Ownership(epoch, heir) for shard, epoch in epochs.items()}
        try:
            done = await compare_and_set(self._session, seen, wanted)
        except CassandraUnavailable as error:
            log.error("handover_unclear", heir=heir, error=str(error))  # noqa: TRY400 - what is the matter is known
            done = False
        if not done:
            raise Fenced
        self._given.update(epochs.keys())
        self._store.let_go(epochs)
        self._note(epochs, heir)
        log.info("handed_over", heir=heir, shards=len(epochs))

    async def leave(self) -> None:
        self._heart.state = State.LEAVING
        self._target = self._shares()
        if not self._watch.members():
            return
        with suppress(CassandraUnavailable, TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._heart.beat()
                while self._watch.members() and list(self._store.shards):  # noqa: ASYNC110 - it ends with a handover or a death
                    await asyncio.sleep(_SHORTLY_SECONDS)
        await asyncio.sleep(_LINGER_SECONDS)
