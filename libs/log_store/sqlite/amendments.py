"""Statements about what stands beside the rows. They run in a transaction of the caller's."""

import sqlite3

from libs.log_store.bodies import redacted
from libs.log_store.types import MENTIONS_COUNTED, MENTIONS_SEARCHED, LogBatch, LogKey, MentionQuery, Seq

_OVERLAY = (
    "INSERT INTO overlay (log_id, application_id, seq, as_of_seq, state) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET as_of_seq = excluded.as_of_seq, state = excluded.state "
    "WHERE excluded.as_of_seq > overlay.as_of_seq"
)
_MENTION = (
    "INSERT INTO mention (log_id, application_id, user_id, seq, sender_user_id, active, as_of_seq) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET active = excluded.active, as_of_seq = excluded.as_of_seq "
    "WHERE excluded.as_of_seq > mention.as_of_seq"
)
_NOT_REDACTED = "SELECT event FROM event WHERE log_id = ? AND application_id = ? AND seq = ? AND deletion_seq = 0"
_REDACT = (
    "UPDATE event SET event = ?, digest = x'', deletion_seq = ? WHERE log_id = ? AND application_id = ? AND seq = ?"
)
_MENTIONS = (
    "SELECT sender_user_id, active FROM mention WHERE log_id = ? AND application_id = ? AND user_id = ? AND seq > ? "
    "ORDER BY seq DESC LIMIT ?"
)


def amend(connection: sqlite3.Connection, batch: LogBatch) -> None:
    """Write what follows from the rows of a batch, or write it again."""
    key = (batch.log.log_id, batch.log.application_id)
    overlays, redactions, mentions = batch.amendments
    for overlay in overlays:
        connection.execute(_OVERLAY, (*key, overlay.seq, overlay.as_of_seq, overlay.state))
    for mention in mentions:
        values = (mention.user_id, mention.seq, mention.sender_user_id, mention.active, mention.as_of_seq)
        connection.execute(_MENTION, (*key, *values))
    for redaction in redactions:
        for seq in redaction.seqs:
            _redact(connection, batch.log, seq, redaction.deletion_seq)


def _redact(connection: sqlite3.Connection, log: LogKey, seq: Seq, deletion_seq: Seq) -> None:
    place = (log.log_id, log.application_id, seq)
    found = connection.execute(_NOT_REDACTED, place).fetchone()
    if found is not None:
        connection.execute(_REDACT, (redacted(found[0]), deletion_seq, *place))


def mention_count(connection: sqlite3.Connection, query: MentionQuery) -> int:
    """As LogStore.mention_counts, of one query."""
    values = (query.log.log_id, query.log.application_id, query.user_id, query.after_seq, MENTIONS_SEARCHED)
    mentions = connection.execute(_MENTIONS, values).fetchall()
    holding = sum(bool(active) and sender not in query.except_senders for sender, active in mentions)
    return min(holding, MENTIONS_COUNTED)
