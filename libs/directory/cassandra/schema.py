"""The tables. A change is one more migration; what stands here was applied somewhere and stays as it is."""

from libs.cassandra import Migration, third_replica_soon

COMPONENT = "directory"

_OPTIONS = "compaction = {'class': 'UnifiedCompactionStrategy'} AND read_repair = 'BLOCKING'"
_MEMBERSHIP = "state int, role int, join_time_ms bigint, version bigint"

# Entries come and go, and whoever reads a bucket passes over what is left of those that went. So the tombstones are
# written to disk and dropped soon. What was missed by a replica meanwhile comes back, which does no harm: see pending_changes.
_SHORT_LIVED = f"{_OPTIONS} AND gc_grace_seconds = 60 AND memtable_flush_period_in_ms = 60000"

MIGRATIONS = (
    Migration(
        1,
        (
            f"""CREATE TABLE IF NOT EXISTS ks.applications (
                application_id text PRIMARY KEY, name text, page_token_secret blob, create_time_ms bigint
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.application_keys (
                application_id text, key_id text, secret blob, withdrawn boolean, PRIMARY KEY ((application_id, key_id))
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.users (
                application_id text, user_id text, inbox_log_id blob, name text, avatar_url text, create_time_ms bigint,
                PRIMARY KEY ((application_id, user_id))
            ) WITH {_OPTIONS}""",
            # direct_user_ids: JSON; pending: Change.to_json, empty: none
            f"""CREATE TABLE IF NOT EXISTS ks.channels (
                application_id text, channel_id text, log_id blob, kind int, name text, creator_user_id text,
                direct_user_ids text, create_time_ms bigint, member_count int, version bigint, pending text,
                PRIMARY KEY ((application_id, channel_id))
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.pending_changes (
                bucket int, application_id text, channel_id text, version bigint,
                PRIMARY KEY (bucket, application_id, channel_id, version)
            ) WITH {_SHORT_LIVED}""",
            f"""CREATE TABLE IF NOT EXISTS ks.members (
                application_id text, channel_id text, user_id text, {_MEMBERSHIP},
                PRIMARY KEY ((application_id, channel_id), user_id)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.channels_of_user (
                application_id text, user_id text, channel_id text, {_MEMBERSHIP},
                PRIMARY KEY ((application_id, user_id), channel_id)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.positions (
                application_id text, user_id text, channel_id text, read_seq bigint, read_message_count bigint,
                PRIMARY KEY ((application_id, user_id), channel_id)
            ) WITH {_OPTIONS}""",
        ),
    ),
    Migration(
        2,
        (
            "ALTER TABLE ks.applications ADD IF NOT EXISTS users_may_search boolean",
            "ALTER TABLE ks.users ADD IF NOT EXISTS version bigint",
            # blocked_by: JSON; deleted: 1, it is
            """ALTER TABLE ks.channels ADD IF NOT EXISTS (
                cover_url text, custom_data text, slow_mode_seconds int, blocked_by text, deleted int
            )""",
            "ALTER TABLE ks.positions ADD IF NOT EXISTS delivered_seq bigint",
            f"""CREATE TABLE IF NOT EXISTS ks.preferences (
                application_id text, user_id text, channel_id text, version bigint, muted boolean, pinned boolean,
                hidden boolean, hidden_message_count bigint, marked_unread boolean,
                PRIMARY KEY ((application_id, user_id), channel_id)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.blocks (
                application_id text, user_id text, blocked_user_id text, blocked boolean, version bigint,
                PRIMARY KEY ((application_id, user_id), blocked_user_id)
            ) WITH {_OPTIONS}""",
            f"""CREATE TABLE IF NOT EXISTS ks.names (
                application_id text, listing text, bucket int, name text, item_id text, listed boolean,
                PRIMARY KEY ((application_id, listing, bucket), name, item_id)
            ) WITH {_OPTIONS}""",
        ),
    ),
    Migration(
        3,
        (
            # session_id: empty, all of the user's
            f"""CREATE TABLE IF NOT EXISTS ks.token_revocations (
                application_id text, user_id text, session_id text, issued_before_ms bigint,
                PRIMARY KEY ((application_id, user_id), session_id)
            ) WITH {_OPTIONS}""",
        ),
    ),
    Migration(4, ("ALTER TABLE ks.application_keys ADD IF NOT EXISTS public_key blob",)),
    Migration(5, ("ALTER TABLE ks.application_keys ADD IF NOT EXISTS scopes text",)),
    Migration(6, ("ALTER TABLE ks.applications ADD IF NOT EXISTS guests_allowed boolean",)),
    Migration(
        7,
        third_replica_soon(
            "applications",
            "application_keys",
            "blocks",
            "channels",
            "channels_of_user",
            "members",
            "names",
            "pending_changes",
            "positions",
            "preferences",
            "token_revocations",
            "users",
        ),
    ),
)
