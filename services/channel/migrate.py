"""`python -m services.channel.migrate`: see `libs.cassandra.command`. It reads the settings of channel."""

from libs.cassandra.command import migrate_command
from libs.directory.cassandra import COMPONENT, MIGRATIONS
from services.channel.settings import CommandSettings

if __name__ == "__main__":
    migrate_command(CommandSettings, COMPONENT, MIGRATIONS)
