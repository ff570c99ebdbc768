"""Schemas that grow by numbered migrations. A process runs on exactly the schema that it knows."""

from collections.abc import Sequence
from typing import NamedTuple

import structlog

from libs.cassandra.errors import NotMigrated
from libs.cassandra.session import Session, Statement, read
from libs.runtime.errors import CannotStart

log = structlog.get_logger()

_TABLE = (
    "CREATE TABLE IF NOT EXISTS ks.schema_migration (component text, version int, PRIMARY KEY (component, version))"
)
_HAS_TABLE = Statement(
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'schema_migration'"
)
_VERSIONS = Statement("SELECT version FROM ks.schema_migration WHERE component = ?")
_APPLIED = Statement("INSERT INTO ks.schema_migration (component, version) VALUES (?, ?) USING TIMESTAMP 1")


class Migration(NamedTuple):
    """A step of a schema. Its statements can be repeated: it may be interrupted anywhere, and run by two at a time."""

    version: int
    """1, 2, 3 …"""
    statements: Sequence[str]


def third_replica_soon(*tables: str) -> tuple[str, ...]:
    """Statements by which a read that two of three replicas have not answered after 50 ms asks the third one.

    By the default, 99p, a coordinator waits as long as the slowest of a hundred of its reads took lately: 2.5 s where it made none
    yet, and seconds for a while after a replica stood still. MIN(99p,50ms) begins with the 2.5 s as well.
    """
    return tuple(f"ALTER TABLE ks.{table} WITH speculative_retry = '50ms'" for table in tables)


async def migrate(session: Session, component: str, migrations: Sequence[Migration]) -> int:
    """Apply those that are missing, in order. Returns the version that the schema has now.

    Raises:
        CannotStart: the schema is newer than the last migration.
        NotAllowed: the user may not make tables.
        CassandraError: a statement failed; run it again.
    """
    await session.define(_TABLE)
    present = await _version(session, component)
    _refuse_newer(session, component, present, migrations)
    for migration in migrations[present:]:
        for statement in migration.statements:
            await session.define(statement)
        await session.write(_APPLIED, [(component, migration.version)])
        log.info("schema_migrated", keyspace=session.keyspace, component=component, version=migration.version)
    return len(migrations)


async def check_schema(session: Session, component: str, migrations: Sequence[Migration]) -> None:
    """Make sure that the schema is the one that this code knows.

    Raises:
        NotMigrated: it is older.
        CannotStart: it is newer.
        CassandraError: it could not be read.
    """
    present = await _version(session, component)
    _refuse_newer(session, component, present, migrations)
    if present < len(migrations):
        raise NotMigrated(
            f"the schema of {component} in keyspace {session.keyspace} is version {present}, this program needs "
            f"{len(migrations)}: run the migrate command first, see docs/cassandra.md"
        )


async def _version(session: Session, component: str) -> int:
    if not await read(session, _HAS_TABLE, (session.keyspace,)):
        return 0
    versions = await read(session, _VERSIONS, (component,))
    return max((version for (version,) in versions if isinstance(version, int)), default=0)


def _refuse_newer(session: Session, component: str, present: int, migrations: Sequence[Migration]) -> None:
    if present > len(migrations):
        raise CannotStart(
            f"the schema of {component} in keyspace {session.keyspace} is version {present}, this program knows only "
            f"{len(migrations)}: it is too old for this database"
        )
