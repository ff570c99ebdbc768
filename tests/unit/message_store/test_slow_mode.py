"""Slow mode: who is made to wait, and how long that is remembered. What it says of retries: see test_amending.py."""

from pathlib import Path

from tertulia_internal.message_store.v1 import log_pb2

from libs.log_store import Millis
from services.message_store.last_spoke import LONGEST_SLOW_MODE_MS, MAX_SENDERS, LastSpoke
from tests.unit.message_store.owner import LOG, NOW, Outcome, Owner, item, made, owner_of, reaction

SLOW_MODE = log_pb2.APPEND_REFUSAL_SLOW_MODE


async def test_slow_mode_counts_messages_only_and_no_clock_that_was_set_back(owner: Owner) -> None:
    await owner.append(item("a", sender="bob"), reaction("r", 1, "+", sender="alice"))
    assert await owner.append(item("b", slow_mode_ms=5_000)) == [Outcome(3)]
    owner.now_ms = Millis(NOW - 3_600_000)
    assert await owner.append(item("c", slow_mode_ms=5_000)) == [Outcome(4)]


async def test_slow_mode_is_not_outlived_by_reacting_a_thousand_times(tmp_path: Path) -> None:
    slow_mode_ms = LONGEST_SLOW_MODE_MS
    async with owner_of(tmp_path, remembered_events=3) as owner:
        await owner.append(item("before slow mode"), item("a", sender="bob", slow_mode_ms=slow_mode_ms))
        for n in range(10):
            await owner.append(reaction(f"r{n}", 1, "+", removed=n % 2 == 1))
        owner.now_ms = Millis(NOW + slow_mode_ms - 1)
        (alice, bob) = asked = made(
            item("b", slow_mode_ms=slow_mode_ms), item("c", sender="bob", slow_mode_ms=slow_mode_ms)
        )
        await owner.committer.append(asked)

        assert (await owner.states.get(LOG)).remembered_from > 2
        assert (alice.refusal, alice.retry_after_ms) == (bob.refusal, bob.retry_after_ms) == (SLOW_MODE, 1)
        owner.now_ms = Millis(NOW + slow_mode_ms)
        assert await owner.append(item("c", sender="bob", slow_mode_ms=slow_mode_ms)) == [Outcome(13)]
    async with owner_of(tmp_path, remembered_events=3) as owner:
        owner.now_ms = Millis(NOW + slow_mode_ms + 1)
        refused = await owner.append(item("d", sender="bob", slow_mode_ms=slow_mode_ms))
        assert refused == [Outcome(0, SLOW_MODE)], "the newest events say so after a restart"


async def test_who_spoke_weighs_in_the_log_until_the_longest_slow_mode_is_over(owner: Owner) -> None:
    async def weight() -> int:
        return (await owner.states.get(LOG)).size_bytes

    await owner.append(*(item("a", sender=f"user {n}", slow_mode_ms=1) for n in range(10)))
    before = await weight()
    owner.now_ms = Millis(NOW + LONGEST_SLOW_MODE_MS + 1)
    await owner.append(item("b"))

    assert await weight() < before, "one event more, ten senders less"


def test_no_more_senders_are_kept_than_may_be() -> None:
    spoke = LastSpoke()
    for n in range(MAX_SENDERS + 1):
        spoke.note(f"user {n}", NOW)
    spoke.note("user 1", NOW)
    spoke.note("one more", NOW)

    waits = [spoke.wait_ms(f"user {n}", 5, NOW) for n in (0, 1, 2, 3, MAX_SENDERS)]

    assert waits == [0, 5, 0, 5, 5], "those who spoke longest ago are forgotten"
