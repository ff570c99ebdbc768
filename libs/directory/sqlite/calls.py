"""Reads and writes of the stores: the engine's errors become the port's."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

import structlog

from libs.directory.errors import DirectoryOverloaded, DirectoryUnavailable
from libs.sqlite import Database, DatabaseOverloaded

Result = TypeVar("Result")
log = structlog.get_logger()


class Calls:
    """One database, as the stores use it. An error that is no fault of the engine passes through: it is a bug of ours."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await self._database.read(query)
        except DatabaseOverloaded as error:
            raise DirectoryOverloaded from error
        except sqlite3.OperationalError as error:
            log.exception("directory_read_failed")
            raise DirectoryUnavailable(writing=False) from error

    async def write(self, statements: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await self._database.write(statements)
        except DatabaseOverloaded as error:
            raise DirectoryOverloaded from error
        except sqlite3.OperationalError as error:
            log.exception("directory_write_failed")
            raise DirectoryUnavailable(writing=True) from error

    async def execute(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """One statement that returns nothing, for each of `rows`."""

        def statements(connection: sqlite3.Connection) -> None:
            connection.executemany(statement, rows)

        await self.write(statements)
