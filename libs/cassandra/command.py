"""The `migrate` command of a service: brings its tables in Cassandra to what the program needs.

Run one at a time, before the processes that need the new schema are started. With --wait it changes nothing, and ends when another one
has done that.
"""

import argparse
import asyncio
from collections.abc import Sequence

import structlog

from libs.cassandra.errors import CassandraError, NotAllowed, NotMigrated
from libs.cassandra.migrations import Migration, check_schema, migrate
from libs.cassandra.settings import EngineSettings, open_session
from libs.runtime.logs import configure_logs
from libs.runtime.parent import stop_with_parent
from libs.runtime.process import report_failure
from libs.runtime.settings import load_settings

_LOOK_SECONDS = 2.0  # between two looks at a schema that another process is to make


def migrate_command(settings_class: type[EngineSettings], component: str, migrations: Sequence[Migration]) -> None:
    """Read the settings of the service and the command line, make the keyspace if that is asked for, and migrate."""
    service = settings_class.service
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}.migrate", description=__doc__)
    parser.add_argument(
        "--create-with-replicas",
        type=int,
        default=0,
        metavar="N",
        help="create the keyspace if it is missing, with N replicas in every data centre (3 in production)",
    )
    parser.add_argument("--wait", action="store_true", help="change nothing: wait until the schema is current")
    arguments = parser.parse_args()
    log = structlog.get_logger()

    async def run(settings: EngineSettings) -> None:
        if arguments.wait:
            await _migrated(settings, component, migrations)
            log.info("schema_is_current", version=len(migrations))
            return
        async with open_session(settings, arguments.create_with_replicas) as session:
            version = await migrate(session, component, migrations)
            log.info("schema_is_current", keyspace=session.keyspace, version=version)

    configure_logs(f"{service}.migrate", "info")
    try:
        stop_with_parent()
        asyncio.run(run(load_settings(settings_class)))
    except Exception as error:  # noqa: BLE001 - the last place: what got here ends the process
        report_failure(error)
        raise SystemExit(1) from None


async def _migrated(settings: EngineSettings, component: str, migrations: Sequence[Migration]) -> None:
    """Wait until the schema is current.

    Raises:
        CannotStart: it is newer than this program, or the credentials are wrong.
        NotAllowed: the user may not look.
    """
    while True:
        try:
            async with open_session(settings) as session:
                return await check_schema(session, component, migrations)
        except NotAllowed:
            raise
        except (NotMigrated, CassandraError) as error:
            structlog.get_logger().info("schema_is_awaited", reason=str(error))
        await asyncio.sleep(_LOOK_SECONDS)
