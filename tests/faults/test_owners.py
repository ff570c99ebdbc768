"""Owners on Cassandra that are taken over at the worst moments, and the checker that finds each step that one of them lacks."""

from pathlib import Path

import pytest

from tests.faults.stories import STORIES, Story, violations_of, whole
from tests.support.log_keyspace import LogKeyspace

pytestmark = [pytest.mark.timeout(150), pytest.mark.parametrize("story", STORIES, ids=lambda story: story.without)]


async def test_whole_owners_keep_every_promise(story: Story, logs: LogKeyspace, tmp_path: Path) -> None:
    assert await violations_of(story, whole, logs, tmp_path) == []


async def test_an_owner_that_lacks_the_step_is_caught(story: Story, logs: LogKeyspace, tmp_path: Path) -> None:
    assert await violations_of(story, story.broken, logs, tmp_path), f"{story.without}: nobody noticed"
