"""LogService, each call at the owner of its logs."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeAlias, TypeVar

import structlog
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.log_owners.owners import Owners
from libs.log_store.errors import OWNER
from libs.log_store.types import shard_of
from libs.rpc.client import CALL_SECONDS, call
from libs.rpc.errors import TertuliaError, Unavailable
from libs.rpc.status import unavailable

log = structlog.get_logger()
Key = TypeVar("Key")
Answer = TypeVar("Answer")

AppendOutcome: TypeAlias = log_pb2.AppendResult | TertuliaError
"""What became of an item. WRONG_OWNER: nothing yet, try it again."""

RETRY_SECONDS = 0.03
"""When to ask again for a shard that is changing hands: that takes some of these."""

_LONGEST_RETRY_SECONDS = 0.25
_PATIENCE_SECONDS = 1.0  # then it is looked up whether the silent one still owns the shards


class LogRouter:
    """LogService of all processes that share the logs.

    What is refused as another's, or whose owner does not answer, is tried again at its owner, until the deadline. Every
    method raises TertuliaError.
    """

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    def owner_of(self, shard: int) -> str:
        """Names the process to which items of a shard go now."""
        return self._owners.of(shard)

    async def append(self, items: Sequence[log_pb2.AppendItem], timeout: float) -> list[AppendOutcome]:
        """Try to append, once. The outcomes are in the order of the items; who owns what is known better afterwards."""
        outcomes: dict[int, AppendOutcome] = {}

        async def append_at(address: str, indices: Sequence[int]) -> None:
            request = log_pb2.AppendRequest(items=[items[index] for index in indices])
            try:
                shards = {shard_of(items[index].log) for index in indices} if not self._owners.one else ()
                response = await self._ask(address, shards, lambda stub: call(stub.Append, request, timeout=timeout))
            except TertuliaError as error:
                log.warning("append_failed", items=len(indices), owner=address, error=str(error))
                outcomes.update(dict.fromkeys(indices, error))
                if OWNER in error.metadata or (_is_doubt(error) and self._owners.others):
                    await self._owners.refresh()
            else:
                outcomes.update(zip(indices, response.results, strict=True))
                for owner in response.owners:
                    self._owners.learn(owner.shard, owner.address)
                if any(not owner.address for owner in response.owners):
                    await self._owners.refresh()

        by_address = self._by_address(items, range(len(items)), lambda item: shard_of(item.log))
        await _all(append_at(address, indices) for address, indices in by_address.items())
        return [outcomes[index] for index in range(len(items))]

    async def append_all(self, items: Sequence[log_pb2.AppendItem]) -> list[AppendOutcome]:
        """As `append`, again and again until the deadline for items whose owner is changing or does not answer. The order of the
        items of one log is kept."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CALL_SECONDS
        outcomes: dict[int, AppendOutcome] = {}
        waiting: Sequence[int] = range(len(items))
        while True:
            timeout = max(deadline - loop.time(), RETRY_SECONDS)
            outcomes.update(zip(waiting, await self.append([items[index] for index in waiting], timeout), strict=True))
            waiting = [index for index, outcome in outcomes.items() if self._is_to_be_repeated(outcome)]
            if not waiting or loop.time() + RETRY_SECONDS > deadline:
                break
            await asyncio.sleep(RETRY_SECONDS)
        lost = unavailable("the owner of the log")
        return [lost if is_moving(outcomes[index]) else outcomes[index] for index in range(len(items))]

    def _is_to_be_repeated(self, outcome: AppendOutcome) -> bool:
        if isinstance(outcome, TertuliaError):
            return OWNER in outcome.metadata or (_is_doubt(outcome) and self._owners.others)
        return is_moving(outcome)

    async def read(self, request: log_pb2.ReadRequest) -> log_pb2.ReadResponse:
        """As LogService.Read."""

        async def read(
            stub: "log_pb2_grpc.LogServiceAsyncStub", requests: Sequence[log_pb2.ReadRequest], timeout: float
        ) -> Sequence[log_pb2.ReadResponse]:
            return [await call(stub.Read, only, timeout=timeout) for only in requests]

        (response,) = await self._ask_all([request], lambda request: shard_of(request.log), read)
        return response

    async def heads(self, logs: Sequence[log_pb2.LogKey], *, with_last_message: bool = False) -> Sequence[log_pb2.Head]:
        """The heads of logs, in order."""

        async def heads(
            stub: "log_pb2_grpc.LogServiceAsyncStub", logs: Sequence[log_pb2.LogKey], timeout: float
        ) -> Sequence[log_pb2.Head]:
            request = log_pb2.HeadsRequest(logs=logs, with_last_message=with_last_message)
            return (await call(stub.Heads, request, timeout=timeout)).heads

        return await self._ask_all(logs, shard_of, heads)

    async def counts(self, positions: Sequence[log_pb2.LogPosition]) -> Sequence[int]:
        """As LogService.Counts."""

        async def counts(
            stub: "log_pb2_grpc.LogServiceAsyncStub", positions: Sequence[log_pb2.LogPosition], timeout: float
        ) -> Sequence[int]:
            request = log_pb2.CountsRequest(positions=positions)
            return (await call(stub.Counts, request, timeout=timeout)).message_counts

        return await self._ask_all(positions, lambda position: shard_of(position.log), counts)

    async def mention_counts(self, queries: Sequence[log_pb2.MentionQuery]) -> Sequence[int]:
        """As LogService.MentionCounts."""

        async def counts(
            stub: "log_pb2_grpc.LogServiceAsyncStub", queries: Sequence[log_pb2.MentionQuery], timeout: float
        ) -> Sequence[int]:
            request = log_pb2.MentionCountsRequest(queries=queries)
            return (await call(stub.MentionCounts, request, timeout=timeout)).mention_counts

        return await self._ask_all(queries, lambda query: shard_of(query.log), counts)

    async def _ask_all(
        self,
        keys: Sequence[Key],
        shard: Callable[[Key], int],
        ask: Callable[["log_pb2_grpc.LogServiceAsyncStub", Sequence[Key], float], Awaitable[Sequence[Answer]]],
    ) -> list[Answer]:
        """Ask the owner of each key; the answers in the order of the keys."""
        deadline = asyncio.get_running_loop().time() + CALL_SECONDS
        answers: dict[int, Answer] = {}
        doubts: list[TertuliaError] = []

        async def ask_at(address: str, indices: Sequence[int]) -> None:
            part = [keys[index] for index in indices]
            shards = set(map(shard, part)) if not self._owners.one else set()
            timeout = max(deadline - asyncio.get_running_loop().time(), RETRY_SECONDS)
            try:
                answered = await self._ask(address, shards, lambda stub: ask(stub, part, timeout))
            except Unavailable as error:
                doubts.append(error)
                if OWNER not in error.metadata and not (_is_doubt(error) and self._owners.others):
                    raise
                await self._owners.refresh()
            else:
                answers.update(zip(indices, answered, strict=True))

        pause = RETRY_SECONDS
        while missing := [index for index in range(len(keys)) if index not in answers]:
            by_address = self._by_address(keys, missing, shard)
            await _all(ask_at(address, indices) for address, indices in by_address.items())
            if len(answers) < len(keys):
                if asyncio.get_running_loop().time() + pause > deadline:
                    raise unavailable("the owner of the log") from doubts[-1]
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
        return [answers[index] for index in range(len(keys))]

    def _by_address(
        self, keys: Sequence[Key], indices: Sequence[int], shard: Callable[[Key], int]
    ) -> dict[str, Sequence[int]]:
        if self._owners.one:
            return {self._owners.of(0): indices} if indices else {}
        found: defaultdict[str, list[int]] = defaultdict(list)
        for index in indices:
            found[self._owners.of(shard(keys[index]))].append(index)
        return dict(found)

    async def _ask(
        self,
        address: str,
        shards: Collection[int],
        ask: Callable[["log_pb2_grpc.LogServiceAsyncStub"], Awaitable[Answer]],
    ) -> Answer:
        """Ask a process. One that is silent and has lost some of the shards is given up: it may be stopped, or cut off."""
        if not shards:
            return await ask(self._owners.stub(address))
        loop = asyncio.get_running_loop()
        doubting: set[asyncio.Task[None]] = set()

        async def doubt() -> None:
            while all(self._owners.of(shard) == address for shard in shards):
                await self._owners.refresh()
                await asyncio.sleep(_PATIENCE_SECONDS)
            limit.reschedule(loop.time())

        handle = loop.call_later(_PATIENCE_SECONDS, lambda: doubting.add(loop.create_task(doubt())))
        try:
            async with asyncio.timeout(None) as limit:
                return await ask(self._owners.stub(address))
        except TimeoutError:
            raise Unavailable(
                "the owner of the log does not answer; try again", error_pb2.ERROR_REASON_OUTCOME_UNKNOWN
            ) from None
        finally:
            handle.cancel()
            for task in doubting:
                task.cancel()


def is_moving(outcome: AppendOutcome) -> bool:
    """Whether nothing was done yet with an item, because its shard is another's, or changing hands."""
    return isinstance(outcome, log_pb2.AppendResult) and outcome.refusal == log_pb2.APPEND_REFUSAL_WRONG_OWNER


def _is_doubt(error: TertuliaError) -> bool:
    """Whether the process may be gone, or fenced."""
    return error.reason == error_pb2.ERROR_REASON_OUTCOME_UNKNOWN


async def _all(actions: Iterable[Awaitable[None]]) -> None:
    """Do all at the same time. The first failure is raised, when all have ended."""
    waiting = list(actions)
    if len(waiting) == 1:
        await waiting[0]
        return
    for failure in await asyncio.gather(*waiting, return_exceptions=True):
        if failure is not None:
            raise failure
