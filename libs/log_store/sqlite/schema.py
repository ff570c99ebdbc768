"""The tables. A change is one more step; what stands here was applied somewhere and stays as it is."""

_EVENTS = """
CREATE TABLE IF NOT EXISTS event (
    change INTEGER PRIMARY KEY, -- the order of writing over all logs; one writer, so also the order of becoming visible
    shard INTEGER NOT NULL,
    application_id TEXT NOT NULL,
    log_id BLOB NOT NULL,
    seq INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    sender_user_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    event BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS event_by_seq ON event (log_id, application_id, seq);
CREATE INDEX IF NOT EXISTS event_by_change ON event (shard); -- and change, its rowid
"""

_AMENDMENTS = """
ALTER TABLE event ADD COLUMN target_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event ADD COLUMN deletion_seq INTEGER NOT NULL DEFAULT 0; -- of the deletion that blanked the row
CREATE TABLE overlay (
    log_id BLOB NOT NULL,
    application_id TEXT NOT NULL,
    seq INTEGER NOT NULL, -- of the message
    as_of_seq INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (log_id, application_id, seq)
) STRICT;
CREATE TABLE mention (
    log_id BLOB NOT NULL,
    application_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    seq INTEGER NOT NULL, -- of the message
    sender_user_id TEXT NOT NULL,
    active INTEGER NOT NULL,
    as_of_seq INTEGER NOT NULL,
    PRIMARY KEY (log_id, application_id, user_id, seq)
) STRICT, WITHOUT ROWID;
"""

MIGRATIONS = (_EVENTS, _AMENDMENTS)
