"""Every test of this folder runs over every engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.directory import Directory
from libs.directory.sqlite import sqlite_directory

ENGINES = ("sqlite",)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def directory(engine: str, tmp_path: Path) -> AsyncIterator[Directory]:
    """An empty directory on the engine."""
    assert engine == "sqlite"
    async with sqlite_directory(tmp_path / "directory.sqlite") as opened:
        yield opened
