"""What the channel service knows: applications and keys, users, channels, members, read positions.

Five small ports, each in its file with the records that it keeps, and the adapters that implement them:

    applications.ApplicationStore   applications and the keys that their back ends sign tokens with
    users.UserStore                 people
    channels.ChannelStore           channels, changed by compare-and-set on their version (changes.Change)
    members.MemberStore             who is in which channel; leaving is a state, no row is ever deleted
    positions.PositionStore         how far each member has read; positions only move forward

No port promises more than one partition of Cassandra can give: there is no transaction over several rows and no join.
Whoever changes several rows does it in an order in which every step may be repeated (services/channel/membership.py).
"""

from libs.directory.applications import ApplicationStore
from libs.directory.channels import ChannelStore
from libs.directory.directory import Directory as Directory
from libs.directory.members import MemberStore
from libs.directory.positions import PositionStore
from libs.directory.users import UserStore

__all__ = ["ApplicationStore", "ChannelStore", "Directory", "MemberStore", "PositionStore", "UserStore"]
