"""`python -m services.message_store.migrate`: see `libs.cassandra.command`. It reads the settings of message_store."""

from libs.cassandra.command import migrate_command
from libs.log_store.cassandra import COMPONENT, MIGRATIONS
from services.message_store.settings import MessageStoreSettings


class _Settings(MessageStoreSettings, service="message_store"):
    """What a service must be told the command need not be."""

    listen: str = "unix:unused"


if __name__ == "__main__":
    migrate_command(_Settings, COMPONENT, MIGRATIONS)
