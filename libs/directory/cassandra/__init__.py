"""The directory on Cassandra.

    applications, users   written by compare-and-set only
    channels              likewise; `pending_changes` lists those of which the sweeper has to look at the row
    preferences           likewise
    members               plain writes with the version as timestamp, in a table by channel and in one by user
    blocks, names         plain writes with the version as timestamp
    positions             plain writes with the seq as timestamp

No cell is ever written in both ways, and no row of these is ever deleted; the entries of `pending_changes` are.
"""

from libs.directory.cassandra.directory import cassandra_directory as cassandra_directory
from libs.directory.cassandra.schema import COMPONENT as COMPONENT
from libs.directory.cassandra.schema import MIGRATIONS as MIGRATIONS
