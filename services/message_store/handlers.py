"""LogService: requests in, responses out."""

from collections.abc import Sequence, Sized

from tertulia_internal.message_store.v1 import log_pb2, log_pb2_grpc

from libs.log_store import SHARDS, LogPosition, LogStore, MentionQuery, Seq, shard_of
from libs.rpc.errors import FieldsInvalid, FieldViolation
from services.message_store.committer import Committer
from services.message_store.items import Item, items_of, key_of, keys_of
from services.message_store.reader import MAX_ROWS, LogReader

MAX_HEADS = 20_000
MAX_COUNTS = 1_000
MAX_EXCEPTED = 1_000
MAX_CHANGES = 1_000


class LogService(log_pb2_grpc.LogServiceServicer):
    """See log.proto."""

    def __init__(self, committer: Committer, reader: LogReader, store: LogStore) -> None:
        self._committer = committer
        self._reader = reader
        self._store = store

    async def Append(
        self,
        request: log_pb2.AppendRequest,
        context: object,
    ) -> log_pb2.AppendResponse:
        items = items_of(request)
        shards = {item.log: shard_of(item.log) for item in items}
        others = {shard for shard in shards.values() if not self._store.shards.is_open(shard)}
        ours = items if not others else _refuse_others(items, others)
        if ours:
            with self._store.shards.appending({shards[item.log] for item in ours}):
                await self._committer.append(ours)
        return log_pb2.AppendResponse(
            results=[
                log_pb2.AppendResult(
                    seq=item.seq, time_ms=item.time_ms, refusal=item.refusal, retry_after_ms=item.retry_after_ms
                )
                for item in items
            ],
            owners=[log_pb2.ShardOwner(shard=shard, address=self._store.shards.where(shard)) for shard in others],
        )

    async def Read(
        self,
        request: log_pb2.ReadRequest,
        context: object,
    ) -> log_pb2.ReadResponse:
        if request.from_seq < 1:
            raise _invalid("from_seq", "must be at least 1")
        log = key_of(request.log, "log")
        with self._store.shards.reading({shard_of(log)}):
            page = await self._reader.read(
                log,
                Seq(request.from_seq),
                Seq(request.to_seq),
                limit=_limit(request.limit, MAX_ROWS),
                backward=request.backward,
                messages_only=request.messages_only,
            )
        return log_pb2.ReadResponse(
            events=page.events, from_seq=page.from_seq, to_seq=page.to_seq, head_seq=page.head_seq
        )

    async def Heads(
        self,
        request: log_pb2.HeadsRequest,
        context: object,
    ) -> log_pb2.HeadsResponse:
        _at_most(MAX_HEADS, "logs", request.logs)
        with_last_message = request.with_last_message
        logs = keys_of(request.logs, "logs")
        with self._store.shards.reading(set(map(shard_of, logs))):
            heads = await self._reader.heads(logs, with_last_message=with_last_message)
        return log_pb2.HeadsResponse(
            heads=[
                log_pb2.Head(
                    seq=head.seq,
                    message_count=head.message_count,
                    policy_version=head.policy_version,
                    time_ms=head.time_ms,
                    last_message=head.last_message if with_last_message else b"",
                )
                for head in heads
            ]
        )

    async def Counts(
        self,
        request: log_pb2.CountsRequest,
        context: object,
    ) -> log_pb2.CountsResponse:
        _at_most(MAX_COUNTS, "positions", request.positions)
        positions = [
            LogPosition(key_of(position.log, f"positions[{index}].log"), Seq(position.seq))
            for index, position in enumerate(request.positions)
        ]
        with self._store.shards.reading({shard_of(log) for log, _ in positions}):
            return log_pb2.CountsResponse(message_counts=await self._store.counts(positions))

    async def MentionCounts(
        self,
        request: log_pb2.MentionCountsRequest,
        context: object,
    ) -> log_pb2.MentionCountsResponse:
        _at_most(MAX_COUNTS, "queries", request.queries)
        for index, query in enumerate(request.queries):
            _at_most(MAX_EXCEPTED, f"queries[{index}].except_sender_user_ids", query.except_sender_user_ids)
        queries = [
            MentionQuery(
                key_of(query.log, f"queries[{index}].log"),
                query.user_id,
                Seq(query.after_seq),
                frozenset(query.except_sender_user_ids),
            )
            for index, query in enumerate(request.queries)
        ]
        return log_pb2.MentionCountsResponse(mention_counts=await self._store.mention_counts(queries))

    async def Changes(
        self,
        request: log_pb2.ChangesRequest,
        context: object,
    ) -> log_pb2.ChangesResponse:
        if not 0 <= request.shard < SHARDS:
            raise _invalid("shard", f"must be 0 to {SHARDS - 1}")
        limit = _limit(request.limit, MAX_CHANGES)
        try:
            with self._store.shards.reading({request.shard}):
                changes = await self._store.changes(request.shard, request.after, limit)
        except ValueError:
            raise _invalid("after", "must come from an earlier response") from None
        return log_pb2.ChangesResponse(
            changes=[
                log_pb2.LogPosition(
                    log=log_pb2.LogKey(application_id=log.application_id, log_id=log.log_id),
                    seq=seq,
                )
                for log, seq in changes.logs
            ],
            next=changes.next,
        )


def _refuse_others(items: Sequence[Item], others: set[int]) -> list[Item]:
    """Refuse those whose shards are another's, or about to be. Returns the rest."""
    ours: list[Item] = []
    for item in items:
        if shard_of(item.log) in others:
            item.refuse(log_pb2.APPEND_REFUSAL_WRONG_OWNER)
        else:
            ours.append(item)
    return ours


def _limit(asked: int, most: int) -> int:
    if asked < 1:
        raise _invalid("limit", "must be at least 1")
    return min(asked, most)


def _at_most(most: int, field: str, values: Sized) -> None:
    if len(values) > most:
        raise _invalid(field, f"must have at most {most} items")


def _invalid(field: str, description: str) -> FieldsInvalid:
    return FieldsInvalid([FieldViolation(field, description)])
