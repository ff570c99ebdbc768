"""The tables. Keys and columns are those of Cassandra's (libs/directory/cassandra), so that both engines keep the same.

A change is one more migration; what stands here was applied somewhere and stays as it is.
"""

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

_COMMANDS = """
ALTER TABLE applications ADD COLUMN users_may_search INTEGER NOT NULL DEFAULT 0;

ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

ALTER TABLE channels ADD COLUMN cover_url TEXT NOT NULL DEFAULT '';
ALTER TABLE channels ADD COLUMN custom_data TEXT NOT NULL DEFAULT '';
ALTER TABLE channels ADD COLUMN slow_mode_seconds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN blocked_by TEXT NOT NULL DEFAULT '[]'; -- JSON
ALTER TABLE channels ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0;

ALTER TABLE positions ADD COLUMN delivered_seq INTEGER NOT NULL DEFAULT 0;

CREATE TABLE preferences (
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    muted INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    hidden_message_count INTEGER NOT NULL,
    marked_unread INTEGER NOT NULL,
    PRIMARY KEY (application_id, user_id, channel_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocks (
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    blocked_user_id TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (application_id, user_id, blocked_user_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE names (
    application_id TEXT NOT NULL,
    listing TEXT NOT NULL,
    name TEXT NOT NULL,
    item_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    PRIMARY KEY (application_id, listing, name, item_id)
) STRICT, WITHOUT ROWID;
INSERT INTO names SELECT application_id, 'users', '', user_id, 1, 1 FROM users;
-- of names beyond ASCII, which SQLite cannot fold, the owners are found after the next change
INSERT INTO names SELECT application_id, 'user_names', lower(name), user_id, 0, 1 FROM users WHERE name != '';
"""

_REVOCATIONS = """
CREATE TABLE token_revocations (
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL, -- empty: all of the user's
    issued_before_ms INTEGER NOT NULL,
    PRIMARY KEY (application_id, user_id, session_id)
) STRICT, WITHOUT ROWID;
"""

_PUBLIC_KEYS = """
ALTER TABLE keys ADD COLUMN public_key BLOB NOT NULL DEFAULT x'';
"""

_SCOPES = """
ALTER TABLE keys ADD COLUMN scopes TEXT; -- null: all, as of keys that were made before
"""

_GUESTS = """
ALTER TABLE applications ADD COLUMN guests_allowed INTEGER NOT NULL DEFAULT 0;
"""

MIGRATIONS = (_FIRST, _COMMANDS, _REVOCATIONS, _PUBLIC_KEYS, _SCOPES, _GUESTS)
