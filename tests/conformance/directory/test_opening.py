"""What opening a directory promises."""

from pathlib import Path

import pytest

from libs.directory.keys import UserKey
from libs.directory.sqlite import sqlite_directory
from libs.directory.users import User
from libs.runtime.errors import CannotStart
from tests.conformance.directory.conftest import OpenDirectory

ALICE = User(UserKey("shop", "alice"), b"a" * 16, "Alice", "", 1)


async def test_what_was_stored_is_there_when_it_is_opened_again(open_directory: OpenDirectory) -> None:
    for _ in range(2):
        async with open_directory() as directory:
            assert await directory.users.create([ALICE]) == [ALICE]


async def test_on_sqlite_it_is_opened_by_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "directory.sqlite"
    async with sqlite_directory(path):
        with pytest.raises(CannotStart, match="in use"):
            async with sqlite_directory(path):
                pass
