"""What opening a directory promises."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from libs.directory.channels import ChannelFields
from libs.directory.keys import MemberKey, UserKey
from libs.directory.names import Listing, Place
from libs.directory.positions import Position
from libs.directory.sqlite import sqlite_directory
from libs.directory.sqlite.schema import MIGRATIONS
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


async def test_a_sqlite_file_of_before_these_tables_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "directory.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(MIGRATIONS[0])
        connection.execute("INSERT INTO applications VALUES ('shop', 'The shop', x'00', 1)")
        connection.execute("INSERT INTO users VALUES ('shop', 'alice', ?, 'Alice', '', 1)", (b"a" * 16,))
        connection.execute(
            "INSERT INTO channels VALUES ('shop', 'team', ?, 2, 'The team', 'alice', '[]', 1, 1, 1, '')", (b"l" * 16,)
        )
        connection.execute("INSERT INTO positions VALUES ('shop', 'alice', 'team', 5, 4)")
    connection.close()
    key = MemberKey("shop", "team", "alice")
    for _ in range(2):
        async with sqlite_directory(path) as directory:
            assert await directory.users.get([ALICE.key]) == [replace(ALICE, version=0)]
            [channel] = await directory.channels.get([key.channel])
            assert channel is not None
            assert (channel.fields, channel.blocked_by, channel.deleted) == (ChannelFields("The team"), (), False)
            assert await directory.positions.get([key]) == [Position(key, 5, 4, 5)]
            for listing, name in ((Listing.USERS, ""), (Listing.USER_NAMES, "alice")):
                assert await directory.names.page("shop", listing, "", None, 10) == [Place(name, "alice")]
    async with sqlite_directory(path) as directory:
        assert await directory.users.update([replace(ALICE, name="Alicia", version=1)]) == [True]
