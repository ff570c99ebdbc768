"""What the process answers and publishes. One process for all tests; each has logs of its own."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tertulia.chat.v1 import event_pb2, session_pb2
from tertulia_internal.bus.v1 import signal_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.bus.subjects import HEADS, log_subject
from libs.log_store import SHARDS, LogKey, shard_of
from libs.rpc.client import call
from libs.rpc.errors import FieldsInvalid, InvalidArgument
from tests.integration.message_store.process import MessageStore, item, message_store

SECONDS = 10
LOG = log_pb2.LogKey(application_id="app", log_id=os.urandom(16))

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MessageStore]:
    async with message_store(Path(tmp_path_factory.mktemp("store"))) as store:
        yield store


@pytest.fixture
def log() -> log_pb2.LogKey:
    return new_log()


def new_log() -> log_pb2.LogKey:
    return log_pb2.LogKey(application_id="app", log_id=os.urandom(16))


async def test_doorbells_are_heard_in_order_with_frames_that_hold_the_events(
    store: MessageStore, log: log_pb2.LogKey
) -> None:
    heard = await store.hear(log_subject(log.log_id))
    other = new_log()
    await store.append(item("1", log=log), item("2", log=log, control=True), item("3", log=log))
    for number in range(4, 20):
        await store.append(item(str(number), log=log, text=f"text {number}"), item(str(number), log=other))
    events: list[event_pb2.Event] = []
    async with asyncio.timeout(SECONDS):
        while len(events) < 19:
            bell = signal_pb2.LogSignal.FromString(await heard.get()).doorbell
            (piece,) = session_pb2.ServerFrame.FromString(bell.frame).slices
            assert (piece.log_id, piece.from_seq, piece.to_seq) == (log.log_id, bell.from_seq, bell.to_seq)
            assert bell.from_seq == len(events) + 1
            assert bell.control == (bell.to_seq == 2)
            events += piece.events
    assert events == await store.everything(log)


async def test_a_digest_each_second_names_the_recent_heads_and_the_shards_of_who_speaks(
    store: MessageStore, log: log_pb2.LogKey
) -> None:
    heard = await store.hear(HEADS)
    await store.append(item("1", log=log), item("2", log=log))
    heads: dict[bytes, int] = {}
    async with asyncio.timeout(SECONDS):
        while heads.get(log.log_id) != 2:
            digest = signal_pb2.HeadsDigest.FromString(await heard.get())
            assert digest.incarnation
            assert list(digest.shards) == list(range(SHARDS))
            heads = {head.log_id: head.seq for head in digest.heads}


async def test_heads_and_counts_answer_in_the_order_of_the_question(store: MessageStore, log: log_pb2.LogKey) -> None:
    await store.append(item("1", log=log), item("2", log=log, control=True), item("3", log=log, text="bye"))
    unknown, known = (await store.heads([new_log(), log])).heads
    assert unknown == log_pb2.Head()
    assert (known.seq, known.message_count) == (3, 2)
    assert event_pb2.Event.FromString(known.last_message).message.text == "bye"
    positions = [log_pb2.LogPosition(log=log, seq=seq) for seq in (3, 1, 4, 0)]
    counts = await call(store.stub.Counts, log_pb2.CountsRequest(positions=positions))
    assert list(counts.message_counts) == [2, 1, -1, 0]


async def test_twenty_thousand_heads_are_one_call(store: MessageStore, log: log_pb2.LogKey) -> None:
    await store.append(item("1", log=log))
    logs = [log_pb2.LogKey(application_id="app", log_id=n.to_bytes(16)) for n in range(19_999)]
    response = await store.heads([*logs, log])
    assert [head.seq for head in response.heads] == [0] * 19_999 + [1]
    with pytest.raises(InvalidArgument, match="at most 20000"):
        await store.heads([*logs, log, new_log()])


async def test_mentions_are_counted_and_slow_mode_says_how_long_to_wait(
    store: MessageStore, log: log_pb2.LogKey
) -> None:
    first, second = item("1", log=log), item("2", log=log)
    content = event_pb2.Event.FromString(first.content)
    content.message.mentioned_user_ids.append("carol")
    first.content = content.SerializeToString()
    second.slow_mode_ms = 3_600_000
    response = await call(store.stub.Append, log_pb2.AppendRequest(items=[first, second]))
    assert response.results[1].refusal == log_pb2.APPEND_REFUSAL_SLOW_MODE
    assert 0 < response.results[1].retry_after_ms <= 3_600_000
    queries = [log_pb2.MentionQuery(log=log, user_id=user) for user in ("carol", "dave")]
    counts = await call(store.stub.MentionCounts, log_pb2.MentionCountsRequest(queries=queries))
    assert list(counts.mention_counts) == [1, 0]


async def test_changes_name_the_logs_of_a_shard(store: MessageStore, log: log_pb2.LogKey) -> None:
    await store.append(item("1", log=log), item("2", log=log))
    shard = shard_of(LogKey(log.application_id, log.log_id))
    first = await call(store.stub.Changes, log_pb2.ChangesRequest(shard=shard, limit=1_000))
    assert log_pb2.LogPosition(log=log, seq=2) in first.changes
    then = await call(store.stub.Changes, log_pb2.ChangesRequest(shard=shard, after=first.next, limit=10))
    assert (list(then.changes), then.next) == ([], first.next)


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("Append", log_pb2.AppendRequest(items=[item("")]), "items[0].client_id"),
        ("Read", log_pb2.ReadRequest(log=LOG, from_seq=0, to_seq=1, limit=1), "from_seq"),
        ("Read", log_pb2.ReadRequest(log=LOG, from_seq=1, to_seq=1), "limit"),
        ("Read", log_pb2.ReadRequest(from_seq=1, to_seq=1, limit=1), "log.application_id"),
        ("Heads", log_pb2.HeadsRequest(logs=[LOG, log_pb2.LogKey(application_id="app")]), "logs[1].log_id"),
        ("Counts", log_pb2.CountsRequest(positions=[log_pb2.LogPosition()]), "positions[0].log.application_id"),
        (
            "MentionCounts",
            log_pb2.MentionCountsRequest(queries=[log_pb2.MentionQuery()]),
            "queries[0].log.application_id",
        ),
        ("Changes", log_pb2.ChangesRequest(shard=256, limit=1), "shard"),
        ("Changes", log_pb2.ChangesRequest(shard=-1, limit=1), "shard"),
        ("Changes", log_pb2.ChangesRequest(shard=1, after="forged", limit=1), "after"),
    ],
)
async def test_a_malformed_request_names_the_field(
    store: MessageStore, method: str, request_: object, field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await call(getattr(store.stub, method), request_)
    assert [violation.field for violation in refused.value.field_violations] == [field]
    assert not isinstance(refused.value, FieldsInvalid), "it was made again from the status"
