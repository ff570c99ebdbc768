"""The port to Cassandra: what a store asks of it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Value: TypeAlias = str | bytes | int | bool | None
"""What columns hold here. None is only ever read, or compared with: a null that is written is a tombstone."""

Values: TypeAlias = tuple[Value, ...]

Parameters: TypeAlias = tuple[Value | tuple[bytes, ...] | tuple[int, ...], ...]
"""What a SELECT asks for; a tuple is for `IN ?`."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement to be prepared, with `?` for its parameters. A table is written `ks.table`, where `ks` stands for the session's
    keyspace."""

    cql: str
    parameters: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", self.cql.count("?"))


class Session(Protocol):
    """Requests to one keyspace. Each has a deadline, and so many of them are in flight at most; more wait.

    Where a node does not answer soon, or fails by itself, `pages` and `write` ask another one, too: repeating them is harmless.
    Nothing else is ever repeated by itself. Every method raises:
        CassandraUnavailable: it is not known whether it was, or will be, done.
        CassandraRefused: it was not done.
    """

    keyspace: str

    def pages(self, statement: Statement, values: Parameters, page_rows: int) -> AsyncIterator[Sequence[Values]]:
        """What a SELECT finds at QUORUM, fetched page after page as it is asked for."""

    async def write(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Write at QUORUM: several rows as one unlogged batch, for which they must be of one partition.

        Repeating it with the same arguments is harmless where the statement says its timestamps.
        """

    async def read_serial(self, statement: Statement, values: Values) -> Sequence[Values]:
        """What a SELECT of one partition finds, after every compare-and-set that was begun on it is done or void."""

    async def compare_and_set(self, statement: Statement, rows: Sequence[Values]) -> bool:
        """Run a conditional statement for each row, all or none; they must be of one partition. Whether it was done."""

    async def define(self, cql: str) -> None:
        """Run a statement of the schema, or another one that runs once."""


async def read(session: Session, statement: Statement, values: Parameters, page_rows: int = 1_000) -> list[Values]:
    """All that a SELECT finds. For answers that are known to be small."""
    return [row async for page in session.pages(statement, values, page_rows) for row in page]
