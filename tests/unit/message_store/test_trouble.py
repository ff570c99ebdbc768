"""The store fails: what is not durable is never told, no seq is left out or given twice, and the others do not suffer."""

import asyncio
from pathlib import Path

import pytest
from tertulia.chat.v1 import error_pb2
from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Fenced
from libs.rpc.errors import Unavailable
from tests.unit.message_store.owner import (
    LOG,
    OTHER,
    Outcome,
    Owner,
    full_disk,
    item,
    owner_of,
    owner_of_the_same_store,
    seq_taken_of,
)

OUTCOME_UNKNOWN = error_pb2.ERROR_REASON_OUTCOME_UNKNOWN


async def test_an_append_that_failed_is_unknown_and_its_seq_is_free_again(owner: Owner) -> None:
    await owner.append(item("a"))
    owner.store.before_append = full_disk
    with pytest.raises(Unavailable) as failure:
        await owner.append(item("b"), item("c"))
    assert failure.value.reason == OUTCOME_UNKNOWN
    owner.store.before_append = lambda _: None
    assert await owner.append(item("d"), item("b")) == [Outcome(2), Outcome(3)]
    assert [event.client_id for event in await owner.events()] == ["a", "d", "b"]
    assert [event.message_count for event in await owner.events()] == [1, 2, 3]


async def test_a_failed_append_is_not_published_and_not_in_the_head(owner: Owner) -> None:
    await owner.append(item("a"))
    owner.store.before_append = full_disk
    with pytest.raises(Unavailable):
        await owner.append(item("b"))
    assert [bell.to_seq for bell in owner.bus.doorbells()] == [1]
    (head,) = await owner.reader.heads([LOG], with_last_message=False)
    assert (head.seq, head.message_count) == (1, 1)
    assert owner.metric("tertulia_log_unknown_total") == 1


async def test_the_head_says_nothing_of_a_flush_in_flight(owner: Owner) -> None:
    await owner.append(item("a"))
    async with owner.flush_held(item("b")) as pending:
        (head,) = await owner.reader.heads([LOG], with_last_message=True)
        assert head.seq == 1
        assert len(await owner.events()) == 1
    assert await pending == [Outcome(2)]


async def test_a_control_event_that_failed_makes_no_policy(owner: Owner) -> None:
    await owner.append(item("a", policy_version=1))
    owner.store.before_append = full_disk
    with pytest.raises(Unavailable):
        await owner.append(item("v2", control=True, policy_version=2))
    owner.store.before_append = lambda _: None
    assert await owner.append(item("b", policy_version=1)) == [Outcome(2)]


async def test_what_waited_behind_a_failed_flush_is_appended(owner: Owner) -> None:
    await owner.append(item("a"))
    owner.store.before_append = full_disk
    async with owner.flush_held(item("fails")) as failing:
        waiting = owner.appending(item("waits"))
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await failing
    owner.store.before_append = lambda _: None
    assert await waiting == [Outcome(2)]


async def test_a_repetition_of_what_is_durable_is_sure_when_its_flush_fails(owner: Owner) -> None:
    await owner.append(item("a"))
    owner.store.before_append = full_disk
    async with owner.flush_held(item("first", log=OTHER)) as first:
        repetition, beside = owner.appending(item("a")), owner.appending(item("new"))
        await asyncio.sleep(0)
    assert await repetition == [Outcome(1)]
    for failing in (first, beside):
        with pytest.raises(Unavailable):
            await failing


async def test_a_repetition_of_what_failed_is_as_unknown_as_that(owner: Owner) -> None:
    owner.store.before_append = full_disk
    with pytest.raises(Unavailable):
        await owner.append(item("a"), item("a"))


async def test_when_memory_is_wrong_about_a_log_only_that_log_suffers(owner: Owner) -> None:
    await owner.append(item("a"), item("a", log=OTHER))
    owner.store.before_append = seq_taken_of(OTHER)
    async with owner.flush_held(item("b")) as first:
        well, ill = owner.appending(item("c")), owner.appending(item("c", log=OTHER))
        await asyncio.sleep(0)
    assert (await first, await well) == ([Outcome(2)], [Outcome(3)])
    with pytest.raises(Unavailable) as failure:
        await ill
    assert failure.value.reason == OUTCOME_UNKNOWN
    owner.store.before_append = lambda _: None
    assert await owner.append(item("c", log=OTHER)) == [Outcome(2)]


async def test_memory_that_is_wrong_is_mended_from_the_store(tmp_path: Path) -> None:
    async with owner_of(tmp_path) as owner, owner_of_the_same_store(owner) as other:
        await owner.append(item("a"))
        await other.append(item("b"))
        with pytest.raises(Unavailable):
            await owner.append(item("c"))
        assert await owner.append(item("c"), item("b")) == [Outcome(3), Outcome(2)]


async def test_an_owner_that_is_fenced_stops_and_every_open_request_is_told_that_its_outcome_is_unknown(
    tmp_path: Path,
) -> None:
    asked: list[asyncio.Task[list[Outcome]]] = []

    async def be_fenced_with_requests_open() -> None:
        async with owner_of(tmp_path) as owner:
            await owner.append(item("before"))
            async with owner.flush_held(item("in flight")) as in_flight:
                asked.append(in_flight)
                asked.extend(owner.appending(item(f"waits {n}")) for n in range(3))
                await asyncio.sleep(0)
                owner.store.fenced = True
            await asyncio.wait(asked)
            asked.append(owner.appending(item("afterwards")))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as stopped:
        await be_fenced_with_requests_open()
    assert [type(error) for error in stopped.value.exceptions] == [Fenced], "or it would go on"
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert len(answers) >= 4
    for answer in answers:
        assert isinstance(answer, Unavailable), "one that is fenced acknowledges nothing"
        assert answer.reason == OUTCOME_UNKNOWN


async def test_an_owner_that_is_fenced_tells_no_head_from_memory(tmp_path: Path) -> None:
    async with owner_of(tmp_path) as owner:
        await owner.append(item("a"))
        owner.store.fenced = True
        with pytest.raises(Fenced):
            await owner.reader.heads([LOG], with_last_message=False)


async def test_refusals_do_not_wait_for_the_disk(owner: Owner) -> None:
    await owner.append(item("v2", control=True, policy_version=2))
    calls = owner.store.append_calls
    assert await owner.append(item("old")) == [Outcome(0, log_pb2.APPEND_REFUSAL_POLICY_STALE)]
    assert owner.store.append_calls == calls
