"""`python -m services.channel.migrate`: see `libs.cassandra.command`. It reads the settings of channel."""

from libs.cassandra.command import migrate_command
from libs.directory.cassandra import COMPONENT, MIGRATIONS
from services.channel.settings import ChannelSettings


class _Settings(ChannelSettings, service="channel"):
    """What a service must be told the command need not be."""

    listen: str = "unix:unused"
    message_store: str = "unix:unused"


if __name__ == "__main__":
    migrate_command(_Settings, COMPONENT, MIGRATIONS)
