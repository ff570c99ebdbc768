"""One stack, each way of running it in turn, for all who try what they may not: nothing here breaks it, and each file has people of
its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.security.scene import Scene
from tests.support.api import api
from tests.support.stack import Stack
from tests.support.stacks import BOTH, stack_of


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With everything that the stacks wrote, logs among it."""
    return tmp_path_factory.mktemp("stack")


@pytest_asyncio.fixture(scope="package", loop_scope="package", params=BOTH)
async def stack(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stack]:
    place = folder / request.param
    place.mkdir()
    async with stack_of(request, place) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    async with api(stack.address) as connection:
        assert stack.another is not None
        scene = Scene(connection, stack.another)
        await scene.set()
        yield scene
