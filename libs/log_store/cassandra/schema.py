"""The tables. A change is one more migration; what stands here was applied somewhere and stays as it is."""

from libs.cassandra import Migration, third_replica_soon
from libs.log_store.types import SHARDS

COMPONENT = "log_store"

RING = 0
"""The one partition of `shard` and of `heartbeat`: so any number of shards change hands in one compare-and-set, and who is alive,
or owns what, is found by one read."""

_OPTIONS = "compaction = {'class': 'UnifiedCompactionStrategy'} AND read_repair = 'BLOCKING'"
_OF_LOG = "application_id text, log_id blob"

_FREE_SHARDS = "; ".join(
    f"INSERT INTO ks.shard (ring, shard, epoch, owner) VALUES ({RING}, {shard}, 0, '') IF NOT EXISTS"  # noqa: S608 - ours
    for shard in range(SHARDS)
)

MIGRATIONS = (
    Migration(
        1,
        (
            # who owns: written by compare-and-set only. Its rows are also the record of how many shards there are
            f"""CREATE TABLE IF NOT EXISTS ks.shard (
                ring int, shard int, epoch bigint, owner text, PRIMARY KEY (ring, shard)
            ) WITH {_OPTIONS}""",
            f"BEGIN UNLOGGED BATCH {_FREE_SHARDS}; APPLY BATCH",
            # who must stop: set once, never unset
            f"CREATE TABLE IF NOT EXISTS ks.fence (incarnation text PRIMARY KEY, fenced boolean) WITH {_OPTIONS}",
            # who seems alive: a row of a process that is gone for long expires
            f"""CREATE TABLE IF NOT EXISTS ks.heartbeat (
                ring int, incarnation text, beat bigint, state text, place text, PRIMARY KEY (ring, incarnation)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.log_epoch (
                {_OF_LOG}, epoch bigint, start_seq bigint, prev_epoch bigint, PRIMARY KEY ((application_id, log_id), epoch)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.log (
                {_OF_LOG}, bucket bigint, seq bigint, epoch bigint, kind int, time_ms bigint, message_count bigint,
                policy_version bigint, sender_user_id text, client_id text, digest blob, event blob,
                PRIMARY KEY ((application_id, log_id, bucket), seq, epoch)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.log_mark (
                {_OF_LOG}, seq bigint, time_ms bigint, message_count bigint, policy_version bigint, last_message blob,
                PRIMARY KEY ((application_id, log_id))
            ) WITH {_OPTIONS}""",
            # which logs were written in a window of a shard; `dirty_span` lists the partitions of `dirty` in order
            f"""CREATE TABLE IF NOT EXISTS ks.dirty_span (
                shard int, epoch bigint, span bigint, PRIMARY KEY (shard, epoch, span)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.dirty (
                shard int, epoch bigint, span bigint, window bigint, {_OF_LOG},
                PRIMARY KEY ((shard, epoch, span), window, application_id, log_id)
            ) WITH {_OPTIONS}""",
        ),
    ),
    Migration(
        2,
        (
            "ALTER TABLE ks.log ADD IF NOT EXISTS target_seq bigint",
            # the seq of the deletion that blanked the row: where it is, there is no content, whatever else says so
            "ALTER TABLE ks.log ADD IF NOT EXISTS deletion_seq bigint",
            # what later events made of the message at a seq; its buckets are those of `log`
            f"""CREATE TABLE IF NOT EXISTS ks.log_overlay (
                {_OF_LOG}, bucket bigint, seq bigint, deleted boolean, state blob,
                PRIMARY KEY ((application_id, log_id, bucket), seq)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.log_mention (
                {_OF_LOG}, user_id text, seq bigint, sender_user_id text, active boolean,
                PRIMARY KEY ((application_id, log_id, user_id), seq)
            ) WITH {_OPTIONS}""",
        ),
    ),
    Migration(
        3,
        (
            # where a process is asked for its logs, and where it rings
            "ALTER TABLE ks.heartbeat ADD IF NOT EXISTS address text",
            "ALTER TABLE ks.heartbeat ADD IF NOT EXISTS bus text",
        ),
    ),
    Migration(
        4,
        (
            # every acknowledgement waits for this read of one row: all replicas are asked, and the two that answer first do
            "ALTER TABLE ks.fence WITH speculative_retry = 'ALWAYS'",
            *third_replica_soon(
                "dirty", "dirty_span", "heartbeat", "log", "log_epoch", "log_mark", "log_mention", "log_overlay"
            ),
        ),
    ),
)
