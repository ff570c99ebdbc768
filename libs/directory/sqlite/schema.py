"""The tables. Keys and columns are those of Cassandra's (libs/directory/cassandra), so that both engines keep the same."""

_FIRST = """
CREATE TABLE IF NOT EXISTS applications (
    application_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    page_token_secret BLOB NOT NULL,
    create_time_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS keys (
    application_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    secret BLOB NOT NULL,
    withdrawn INTEGER NOT NULL,
    PRIMARY KEY (application_id, key_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS users (
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    inbox_log_id BLOB NOT NULL,
    name TEXT NOT NULL,
    avatar_url TEXT NOT NULL,
    create_time_ms INTEGER NOT NULL,
    PRIMARY KEY (application_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS channels (
    application_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    log_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    creator_user_id TEXT NOT NULL,
    direct_user_ids TEXT NOT NULL, -- JSON
    create_time_ms INTEGER NOT NULL,
    member_count INTEGER NOT NULL,
    version INTEGER NOT NULL,
    pending TEXT NOT NULL, -- Change.to_json; empty: none
    PRIMARY KEY (application_id, channel_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS channels_pending ON channels (application_id, channel_id) WHERE pending != '';

CREATE TABLE IF NOT EXISTS members (
    application_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    role INTEGER NOT NULL,
    join_time_ms INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (application_id, channel_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_by_user ON members (application_id, user_id, state);

CREATE TABLE IF NOT EXISTS positions (
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    read_seq INTEGER NOT NULL,
    read_message_count INTEGER NOT NULL,
    PRIMARY KEY (application_id, user_id, channel_id)
) STRICT, WITHOUT ROWID;
"""

MIGRATIONS = (_FIRST,)
