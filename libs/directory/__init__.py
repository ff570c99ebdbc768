"""What the channel service knows: applications and keys, users, channels, members, positions, preferences, blocks,
revoked tokens.

Small ports, each in its file with the records that it keeps, and the adapters that implement them:

    applications.ApplicationStore   applications and the keys that their back ends sign tokens with
    users.UserStore                 people
    channels.ChannelStore           channels, changed by compare-and-set on their version (changes.Change)
    members.MemberStore             who is in which channel; leaving is a state, no row is ever deleted
    positions.PositionStore         how far each member has read, and got; positions only move forward
    preferences.PreferenceStore     how each member wants to have a channel
    blocks.BlockStore               who has blocked whom
    names.NameStore                 listings in order of names: users, open channels
    revocations.RevocationStore     since when tokens of a user are good

No port promises more than one partition of Cassandra can give: there is no transaction over several rows and no join.
Whoever changes several rows does it in an order in which every step may be repeated (services/channel/changes.py).
"""

from libs.directory.directory import Directory as Directory
