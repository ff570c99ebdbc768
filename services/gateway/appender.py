"""Writes on their way to message_store: one batch in flight towards each owner, and what arrives meanwhile forms the next.

The writes of one session to one channel — a lane — reach the log in the order in which they came, through retries too: a
batch whose outcome is unknown is repeated as it is while everything else waits; of a lane in which a write was refused for
its old policy version, everything waits until it was authorised anew; and a write that is given up takes those right
behind it along, for the client, who will try all of them again, must not find them overtaken.

A write is decided when it is submitted, and again, under what is known then, when it goes into a batch after its grant was
renewed. What is not allowed goes to the owner, too: a retry of what was written while it was allowed must be told so. In a
batch a write stays as it is, policy version and all: its first try may be on the log already.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from prometheus_client import Histogram
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_owners import AppendOutcome, LogRouter
from libs.log_owners.router import RETRY_SECONDS, is_moving
from libs.rpc.errors import DeadlineExceeded, ResourceExhausted, TertuliaError, Unavailable
from services.gateway.append_queue import AppendQueue
from services.gateway.appends import Append, Lane, Sender, not_sent, outcome_unknown
from services.gateway.grants import Grant, Grants
from services.gateway.rate_limits import RateLimits
from services.gateway.stats import Stats

log = structlog.get_logger()

MAX_BATCH_ITEMS = 1_000
MAX_BATCH_BYTES = 4 * 1024 * 1024  # message_store accepts requests of 16 MiB
MAX_WAITING_ITEMS = 20_000
MAX_WAITING_BYTES = 32 * 1024 * 1024
MAX_AUTHORISATIONS = 3  # of one send; a channel whose policy changes faster than that is pathological
_RETRY_SECONDS = 0.1
_OVERLOAD_RETRY_MS = 500


class Appender:
    """Takes sends with `submit`; `run` carries them out.

    A send is tried for `send_seconds`; after that its outcome is said to be unknown, or, if it never left, that nothing was
    done.
    """

    def __init__(
        self,
        logs: LogRouter,
        grants: Grants,
        limits: RateLimits,
        send_seconds: float,
        stats: Stats,
        batch_sizes: Histogram,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._logs = logs
        self._grants = grants
        self._limits = limits
        self._send_seconds = send_seconds
        self._stats = stats
        self._batch_sizes = batch_sizes
        self._clock = clock or asyncio.get_running_loop().time
        self._queue = AppendQueue(logs.owner_of)
        self._served: set[str] = set()
        """Owners with a batch in flight."""
        self._held: dict[Lane, list[Append]] = {}
        self._items = 0
        self._bytes = 0
        self._wake = asyncio.Event()

    def submit(self, append: Append) -> None:
        """Take a send; its sender will hear of the outcome.

        Raises:
            ResourceExhausted: OVERLOADED: too much is waiting; or RATE_LIMITED. The sender hears nothing.
        """
        if self._items >= MAX_WAITING_ITEMS or self._bytes + append.size > MAX_WAITING_BYTES:
            raise ResourceExhausted(
                "too much waits to be written; try again later",
                error_pb2.ERROR_REASON_OVERLOADED,
                retry_after_ms=_OVERLOAD_RETRY_MS,
            )
        self._limits.count_append(append)
        self._stats.sends += 1
        self._items += 1
        self._bytes += append.size
        append.deadline = self._clock() + self._send_seconds
        self._queue.put(append)
        self._wake.set()

    async def run(self) -> None:
        """Carry sends out, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                for owner in self._queue.owners() - self._served:
                    self._served.add(owner)
                    tasks.create_task(self._serve(owner, tasks))

    async def _serve(self, owner: str, tasks: asyncio.TaskGroup) -> None:
        """Send what waits for an owner, batch after batch."""
        while taken := self._queue.take(owner, MAX_BATCH_ITEMS, MAX_BATCH_BYTES):
            moving = await self._carry_out(self._batch_of(taken, tasks), tasks)
            if moving:
                tasks.create_task(self._follow(moving, tasks))
            self._queue.release({append.shard for append in taken} - {append.shard for append in moving})
        self._served.discard(owner)
        self._wake.set()  # what waits may have found another owner meanwhile

    async def _follow(self, moving: list[Append], tasks: asyncio.TaskGroup) -> None:
        """Send what belongs to shards that are changing hands, while others go on."""
        shards = {append.shard for append in moving}
        while moving:
            await asyncio.sleep(RETRY_SECONDS)
            moving = await self._carry_out(self._without_expired(moving, outcome_unknown()), tasks)
        self._queue.release(shards)
        self._wake.set()

    def _batch_of(self, taken: Sequence[Append], tasks: asyncio.TaskGroup) -> list[Append]:
        batch: list[Append] = []
        for append in taken:
            if self._held and append.lane in self._held:
                self._held[append.lane].append(append)
            else:
                batch.append(append)
        batch = self._without_outdated(self._without_expired(batch, not_sent()), tasks)
        for append in batch:
            if append.decided_version != append.grant.policy_version:  # the grant was renewed meanwhile
                append.decide()
        return batch

    def _without_outdated(self, batch: list[Append], tasks: asyncio.TaskGroup) -> list[Append]:
        """Hold those whose version is older than another's for the same log: they would be refused and overtaken."""
        newest: dict[bytes, int] = {}
        outdated = False
        for append in batch:
            log_id, version = append.grant.log.log_id, append.grant.policy_version
            known = newest.setdefault(log_id, version)
            if known != version:
                outdated = True
                newest[log_id] = max(known, version)
        if not outdated:
            return batch
        kept: list[Append] = []
        for append in batch:
            if append.lane in self._held or append.grant.policy_version < newest[append.grant.log.log_id]:
                self._hold(append, tasks)
            else:
                kept.append(append)
        return kept

    async def _carry_out(self, batch: list[Append], tasks: asyncio.TaskGroup) -> list[Append]:
        """Send a batch until its outcome is known. Returns those whose shards are changing hands: nothing was done with them."""
        while batch:
            self._batch_sizes.observe(len(batch))
            timeout = max(min(append.deadline for append in batch) - self._clock(), _RETRY_SECONDS)
            outcomes = await self._logs.append([append.item for append in batch], timeout)
            unknown, moving = self._tell(batch, outcomes, tasks)
            if not unknown:
                return moving
            self._stats.retries += 1
            again = {*unknown, *moving}
            batch = self._without_expired([append for append in batch if append in again], outcome_unknown())
            await asyncio.sleep(_RETRY_SECONDS)
        return []

    def _tell(
        self, batch: Sequence[Append], outcomes: Sequence[AppendOutcome], tasks: asyncio.TaskGroup
    ) -> tuple[list[Append], list[Append]]:
        """Tell senders what became of their sends. Returns those of unknown outcome, and those whose shards are changing hands."""
        unknown: list[Append] = []
        moving: list[Append] = []
        senders: set[Sender] = set()
        for append, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Unavailable | DeadlineExceeded):
                unknown.append(append)
                continue
            if isinstance(outcome, TertuliaError):
                log.error("append_failed", exc_info=outcome)
                self._fail_all([append], outcome if isinstance(outcome, ResourceExhausted) else outcome_unknown())
                continue
            if is_moving(outcome):
                moving.append(append)
                continue
            if outcome.refusal == log_pb2.APPEND_REFUSAL_POLICY_STALE:
                self._stats.stale += 1
                if append.authorisations < MAX_AUTHORISATIONS:
                    self._hold(append, tasks)
                    continue
            self._finish(append)
            if outcome.refusal == log_pb2.APPEND_REFUSAL_UNSPECIFIED:
                append.sender.acked(append.request_id, outcome.seq, outcome.time_ms)
            else:
                append.sender.failed(append.request_id, append.error_of(outcome))
            senders.add(append.sender)
        for sender in senders:
            sender.flush()
        return unknown, moving

    def _hold(self, append: Append, tasks: asyncio.TaskGroup) -> None:
        lane = append.lane
        if lane in self._held:
            self._held[lane].append(append)
        else:
            self._held[lane] = [append]
            tasks.create_task(self._authorise_anew(lane))

    async def _authorise_anew(self, lane: Lane) -> None:
        """Renew what the sends of a lane stand on, then let them go on before what came later."""
        held = self._held[lane]
        refusals: dict[Grant, TertuliaError] = {}
        for grant in dict.fromkeys(append.grant for append in held):
            deadline = max(append.deadline for append in held if append.grant is grant)
            if error := await self._renew(grant, deadline):
                refusals[grant] = error
        del self._held[lane]
        again: list[Append] = []
        given_up: TertuliaError | None = None
        for append in held:
            append.authorisations += 1
            error = given_up or refusals.get(append.grant)
            if error is None:
                again.append(append)
                continue
            self._finish(append)
            append.sender.failed(append.request_id, error)
            if isinstance(error, Unavailable):
                given_up = error
        lane[0].flush()
        self._queue.put_first(again)
        self._wake.set()

    async def _renew(self, grant: Grant, deadline: float) -> TertuliaError | None:
        while True:
            try:
                await self._grants.renew(grant)
            except (Unavailable, DeadlineExceeded):
                if self._clock() + self._send_seconds / 4 >= deadline:  # the others of the lane have yet to be written
                    return not_sent()
                await asyncio.sleep(_RETRY_SECONDS)
            except TertuliaError as error:
                return error
            else:
                return None

    def _without_expired(self, batch: list[Append], error: TertuliaError) -> list[Append]:
        """Give those up whose time is over, and what is behind them in their lanes."""
        now = self._clock()
        lanes = {append.lane: append.deadline <= now for append in reversed(batch)}  # the first of each decides
        if not any(lanes.values()):
            return batch
        self._fail_all([append for append in batch if lanes[append.lane]], error)
        return [append for append in batch if not lanes[append.lane]]

    def _fail_all(self, batch: Sequence[Append], error: TertuliaError) -> None:
        for append in batch:
            self._finish(append)
            append.sender.failed(append.request_id, error)
        for sender in {append.sender for append in batch}:
            sender.flush()

    def _finish(self, append: Append) -> None:
        self._items -= 1
        self._bytes -= append.size
