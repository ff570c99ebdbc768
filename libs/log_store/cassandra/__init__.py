"""The logs on Cassandra: DESIGN.md §4, for any number of owners, each of which has a share of the shards.

`ring` (who takes, gives and asks for which shard; `shares`: who should have it; `ownership`: who has it; `heartbeats`: who seems
alive; `fence`: who must stop) → `takeover` (chain, run, repair, seal) → `owned` (what the owner knows of a log) → `store` (the
port), with `rows`, `marks` and `dirty` for the tables.

The names are those of tests/model, which runs the same protocol against late writes and stale owners.
"""

from libs.log_store.cassandra.heartbeats import Member as Member
from libs.log_store.cassandra.opening import cassandra_log_store as cassandra_log_store
from libs.log_store.cassandra.ring import Ask as Ask
from libs.log_store.cassandra.schema import COMPONENT as COMPONENT
from libs.log_store.cassandra.schema import MIGRATIONS as MIGRATIONS
from libs.log_store.cassandra.vocabulary import Incarnation as Incarnation
