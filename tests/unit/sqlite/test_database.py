"""One writer, group commit, one process at a time."""

import asyncio
import os
import sqlite3
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.runtime.errors import CannotStart
from libs.sqlite import Database, DatabaseLocked, DatabaseOverloaded, open_database
from tests.support.ports import until

SCHEMA = ("CREATE TABLE IF NOT EXISTS word (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE)",)

HOLD = """
import asyncio, sys
from pathlib import Path
from libs.sqlite import open_database

async def hold():
    async with open_database(Path(sys.argv[1]), ()):
        print("held", flush=True)
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / "words.sqlite", SCHEMA) as database:
        yield database


def insert(word: str) -> Callable[[sqlite3.Connection], None]:
    def statements(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO word (word) VALUES (?)", (word,))

    return statements


def count_slowly(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT count(*) FROM word").fetchone()
    time.sleep(0.003)
    return int(count)


async def words(database: Database, *, brief: bool = False) -> list[str]:
    return await database.read(
        lambda connection: [word for (word,) in connection.execute("SELECT word FROM word ORDER BY id")], brief=brief
    )


in_either_thread = pytest.mark.parametrize("brief", [False, True])


@in_either_thread
async def test_what_was_written_is_read_by_the_next_read(database: Database, brief: bool) -> None:
    for number in range(50):
        await database.write(insert(f"word {number}"), brief=brief)
        assert len(await words(database, brief=brief)) == number + 1


async def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "words.sqlite"
    async with open_database(path, SCHEMA) as database:
        await database.write(insert("kept"))
    async with open_database(path, SCHEMA) as database:
        assert await words(database) == ["kept"]


@in_either_thread
async def test_every_commit_is_forced_to_the_disk(database: Database, brief: bool) -> None:
    def pragmas(connection: sqlite3.Connection) -> tuple[object, object]:
        return (
            connection.execute("PRAGMA journal_mode").fetchone()[0],
            connection.execute("PRAGMA synchronous").fetchone()[0],
        )

    full = 2
    assert await database.write(pragmas, brief=brief) == ("wal", full)


async def test_writes_that_wait_together_share_a_commit(database: Database) -> None:
    busy, release = threading.Event(), threading.Event()

    def block(_: sqlite3.Connection) -> None:
        busy.set()
        release.wait(10)

    first = asyncio.create_task(database.write(block))
    await asyncio.to_thread(busy.wait, 10)
    others = [asyncio.create_task(database.write(insert(f"word {number}"))) for number in range(20)]
    await asyncio.sleep(0)  # each task has put its write into the queue
    release.set()
    await asyncio.gather(first, *others)
    assert database.commits == 2
    assert len(await words(database)) == 20


async def test_a_brief_write_beside_another_waits_for_its_turn(database: Database) -> None:
    busy, release = threading.Event(), threading.Event()

    def block(_: sqlite3.Connection) -> None:
        busy.set()
        release.wait(10)

    first = asyncio.create_task(database.write(block))
    await asyncio.to_thread(busy.wait, 10)
    second = asyncio.create_task(database.write(insert("second"), brief=True))
    await asyncio.sleep(0)
    assert await words(database, brief=True) == []
    release.set()
    await asyncio.gather(first, second)
    assert await words(database, brief=True) == ["second"]


async def test_after_a_slow_commit_a_brief_write_does_not_hold_the_loop_up(database: Database) -> None:
    def slowly(_: sqlite3.Connection) -> int:
        time.sleep(0.01)
        return threading.get_ident()

    here = threading.get_ident()
    assert await database.write(slowly, brief=True) == here
    assert await database.write(slowly, brief=True) != here


@in_either_thread
async def test_a_failing_write_undoes_only_itself(database: Database, brief: bool) -> None:
    def two_words_and_a_fault(connection: sqlite3.Connection) -> None:
        insert("lost")(connection)
        raise LookupError("a fault of the caller's")

    outcomes = await asyncio.gather(
        database.write(insert("one"), brief=brief),
        database.write(two_words_and_a_fault, brief=brief),
        database.write(insert("one"), brief=brief),
        database.write(insert("two"), brief=brief),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), LookupError, sqlite3.IntegrityError, type(None)]
    assert await words(database) == ["one", "two"]


@in_either_thread
async def test_a_full_disk_fails_the_write_and_a_later_one_succeeds(database: Database, brief: bool) -> None:
    def limit_pages(pages: int) -> Callable[[sqlite3.Connection], None]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").close()

    await database.write(insert("before"), brief=brief)
    await database.write(limit_pages(4))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        await database.write(insert("x" * 100_000), brief=brief)
    assert await words(database) == ["before"]
    await database.write(limit_pages(1_000_000))
    await database.write(insert("after"), brief=brief)
    assert await words(database) == ["before", "after"]


async def test_a_query_sees_one_state_while_others_write(database: Database) -> None:
    reading, written = threading.Event(), threading.Event()

    def count_twice(connection: sqlite3.Connection) -> tuple[int, int]:
        (first,) = connection.execute("SELECT count(*) FROM word").fetchone()
        reading.set()
        written.wait(10)
        (second,) = connection.execute("SELECT count(*) FROM word").fetchone()
        return first, second

    counts = asyncio.create_task(database.read(count_twice))
    await asyncio.to_thread(reading.wait, 10)
    await database.write(insert("in between"))
    written.set()
    assert await counts == (0, 0)


@in_either_thread
async def test_a_query_cannot_write(database: Database, brief: bool) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(insert("sneaked in"), brief=brief)


async def test_a_caller_that_went_away_harms_nobody(database: Database) -> None:
    gone = asyncio.create_task(database.write(insert("nobody waits for this")))
    await asyncio.sleep(0)
    gone.cancel()
    await database.write(insert("waited for"))
    assert "waited for" in await words(database)


@pytest.mark.parametrize("busy", ["write", "read"])
async def test_beyond_what_may_wait_it_says_so_and_goes_on(database: Database, busy: str) -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        held.set()
        go_on.wait(20)

    call = database.write if busy == "write" else database.read
    first = asyncio.create_task(call(hold))
    await until(held.is_set, "the first one is under way")
    waiting = [asyncio.create_task(call(lambda _: None)) for _ in range(10_001)]
    await asyncio.sleep(0)
    try:
        with pytest.raises(DatabaseOverloaded):
            await waiting[-1]
    finally:
        go_on.set()
    await first
    await asyncio.gather(*waiting[:9_999])
    await database.write(insert("afterwards"))
    assert await words(database) == ["afterwards"]
    await asyncio.gather(*waiting, return_exceptions=True)


@in_either_thread
async def test_reads_without_a_pause_do_not_let_the_write_ahead_log_grow(tmp_path: Path, brief: bool) -> None:
    path, limit, row = tmp_path / "words.sqlite", 1_000_000, 100_000
    largest = 0
    async with open_database(path, SCHEMA, max_log_bytes=limit) as database:
        done = asyncio.Event()

        async def read_on_and_on() -> None:
            while not done.is_set():
                await database.read(count_slowly, brief=brief)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(4):  # more than there are reader threads
                group.create_task(read_on_and_on())
            for number in range(40):
                await database.write(insert(f"{number}" + "x" * row), brief=brief)
                largest = max(largest, os.stat(f"{path}-wal").st_size)  # noqa: PTH116
            done.set()
        assert len(await words(database)) == 40
    assert largest < 4 * limit, "it is ten times the limit otherwise"


async def test_a_database_behind_a_link_is_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    link = tmp_path / "words.sqlite"
    link.symlink_to(tmp_path / "data" / "words.sqlite")
    async with open_database(link, SCHEMA) as database:
        await database.write(insert("one"), brief=True)
        assert await words(database) == ["one"]


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    async with open_database(path, SCHEMA) as database:
        writes = [asyncio.create_task(database.write(insert(f"word {number}"))) for number in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(*writes)
    async with open_database(path, SCHEMA) as database:
        assert len(await words(database)) == 20


async def test_a_second_process_is_kept_out_until_the_first_dies(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    holder = await asyncio.create_subprocess_exec(sys.executable, "-c", HOLD, path, stdout=asyncio.subprocess.PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"
    with pytest.raises(DatabaseLocked, match="in use by another process"):
        async with open_database(path, SCHEMA):
            pass
    holder.kill()
    await holder.wait()
    async with open_database(path, SCHEMA) as database:
        assert await words(database) == []


async def test_a_file_that_is_no_database_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    path.write_text("this is a letter to my aunt " * 100)
    with pytest.raises(CannotStart, match=r"cannot open the database .*words.sqlite: file is not a database"):
        async with open_database(path, SCHEMA):
            pass


async def test_a_directory_that_cannot_be_made_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"cannot use .*words.sqlite: File exists"):
        async with open_database(tmp_path / "file" / "words.sqlite", SCHEMA):
            pass


async def test_steps_of_the_schema_are_applied_once_and_what_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    async with open_database(path, SCHEMA) as database:
        await database.write(insert("old"))
    longer = (*SCHEMA, "ALTER TABLE word ADD COLUMN language TEXT NOT NULL DEFAULT 'en'")
    for _ in range(2):
        async with open_database(path, longer) as database:
            rows = await database.read(
                lambda connection: connection.execute("SELECT word, language FROM word").fetchall()
            )
            assert rows == [("old", "en")]


async def test_a_database_of_before_versions_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(SCHEMA[0])
        connection.execute("INSERT INTO word (word) VALUES ('old')")
    async with open_database(path, SCHEMA) as database:
        assert await words(database) == ["old"]
        assert await database.read(lambda connection: connection.execute("PRAGMA user_version").fetchone()) == (1,)


async def test_a_database_that_a_newer_program_made_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    async with open_database(path, (*SCHEMA, "CREATE TABLE other (id INTEGER)")):
        pass
    with pytest.raises(CannotStart, match=r"version 2, this program knows only 1"):
        async with open_database(path, SCHEMA):
            pass


async def test_a_step_that_fails_leaves_the_schema_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "words.sqlite"
    async with open_database(path, SCHEMA):
        pass
    broken = (*SCHEMA, "CREATE TABLE other (id INTEGER); CREATE TABLE other (id INTEGER)")
    with pytest.raises(CannotStart, match="already exists"):
        async with open_database(path, broken):
            pass
    async with open_database(path, (*SCHEMA, "CREATE TABLE other (id INTEGER)")) as database:
        assert await words(database) == []
