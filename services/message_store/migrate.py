"""`python -m services.message_store.migrate`: bring the tables in Cassandra to what this program needs.

It reads the settings of message_store. Run one at a time, before the processes that need the new schema are started.
"""

import argparse
import asyncio

import structlog

from libs.cassandra import migrate
from libs.log_store.cassandra import COMPONENT, MIGRATIONS
from libs.runtime.logs import configure_logs
from libs.runtime.process import report_failure
from libs.runtime.settings import load_settings
from services.message_store.settings import MessageStoreSettings
from services.message_store.stores import open_session

NAME = "message_store.migrate"


async def run(settings: MessageStoreSettings, create_with_replicas: int) -> None:
    """Make the keyspace if that is asked for, and apply the migrations that are missing.

    Raises:
        CannotStart: there is no keyspace, or the schema is newer than this program.
    """
    async with open_session(settings, create_with_replicas) as session:
        version = await migrate(session, COMPONENT, MIGRATIONS)
        structlog.get_logger().info("schema_is_current", keyspace=session.keyspace, version=version)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.message_store.migrate", description=__doc__)
    parser.add_argument(
        "--create-with-replicas",
        type=int,
        default=0,
        metavar="N",
        help="create the keyspace if it is missing, with N replicas in every data centre (3 in production)",
    )
    arguments = parser.parse_args()
    configure_logs(NAME, "info")
    try:
        asyncio.run(run(load_settings(MessageStoreSettings), arguments.create_with_replicas))
    except Exception as error:  # noqa: BLE001 - the last place: what got here ends the process
        report_failure(error)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
