"""The shards of a process come and go."""

import asyncio
from collections.abc import Collection

import pytest

from libs.log_store import NotOwner, Shards


def test_what_is_not_ours_is_refused_with_where_to_go() -> None:
    shards = Shards([1])
    shards.where = {2: "there"}.__getitem__
    with pytest.raises(NotOwner) as refused, shards.reading({1, 2}):
        pass
    assert refused.value.metadata == {"owner": "there", "shard": "2"}
    with pytest.raises(NotOwner), shards.appending({2}):
        pass


def test_an_answer_from_memory_is_void_when_the_shard_was_away_meanwhile() -> None:
    shards = Shards([1])

    def answer() -> None:
        with shards.reading({1}):
            shards.closed({1})
            shards.ended({1})
            shards.lost({1})
            shards.opened({1})

    with pytest.raises(NotOwner):
        answer()


def test_an_answer_that_is_ready_before_the_end_holds() -> None:
    shards = Shards([1])
    with shards.reading({1}):
        shards.closed({1})
    assert not shards.is_open(1)
    with pytest.raises(NotOwner), shards.reading({1}):
        pass
    shards.opened({1})
    assert shards.is_open(1)


async def test_what_is_being_appended_is_waited_for() -> None:
    shards = Shards([1, 2])
    with shards.appending({1}):
        shards.closed({1, 2})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await shards.appended({1, 2})
        await shards.appended({2})
        with shards.appending({1}):
            assert list(shards) == [1, 2], "what was begun goes on"
    await shards.appended({1, 2})


def test_who_remembers_something_is_told_of_the_loss() -> None:
    lost: list[Collection[int]] = []
    shards = Shards([1, 2])
    shards.when_lost(lost.append)
    shards.closed({1})
    shards.ended({1})
    assert lost == []
    shards.lost({1})
    assert (lost, list(shards)) == ([{1}], [2])
