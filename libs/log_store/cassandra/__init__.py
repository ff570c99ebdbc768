"""The logs on Cassandra: DESIGN.md §4, for one owner of all shards at a time.

`ownership` (who owns; `heartbeats`: who seems alive; `fence`: who must stop) → `takeover` (chain, run, repair, seal) →
`owned` (what the owner knows of a log) → `store` (the port), with `rows`, `marks` and `dirty` for the tables.

The names are those of tests/model, which runs the same protocol against late writes and stale owners.
"""

from libs.log_store.cassandra.opening import cassandra_log_store as cassandra_log_store
from libs.log_store.cassandra.schema import COMPONENT as COMPONENT
from libs.log_store.cassandra.schema import MIGRATIONS as MIGRATIONS
