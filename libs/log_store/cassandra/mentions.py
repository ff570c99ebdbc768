"""The table `log_mention`: which messages mention a user. A row carries the seq of its newest event as its timestamp."""

from collections.abc import Coroutine, Sequence
from functools import partial

from libs.cassandra import Session, Statement
from libs.log_store.cassandra.durable import all_until_durable
from libs.log_store.types import MENTIONS_COUNTED, MENTIONS_SEARCHED, LogKey, Mention, MentionQuery

WRITE_MENTION = Statement(
    "INSERT INTO ks.log_mention (application_id, log_id, user_id, seq, sender_user_id, active) VALUES (?, ?, ?, ?, ?, ?) "
    "USING TIMESTAMP ?"
)
_READ = Statement(
    "SELECT sender_user_id, active FROM ks.log_mention WHERE application_id = ? AND log_id = ? AND user_id = ? AND seq > ? "
    "ORDER BY seq DESC LIMIT ?"
)


async def write_mentions(session: Session, log: LogKey, mentions: Sequence[Mention]) -> None:
    """Write mentions, or write them again: durable on return."""

    def write(mention: Mention) -> "partial[Coroutine[None, None, None]]":
        values = (*log, mention.user_id, mention.seq, mention.sender_user_id, mention.active, mention.as_of_seq)
        return partial(session.write, WRITE_MENTION, [values])

    await all_until_durable(map(write, mentions))


async def count_mentions(session: Session, query: MentionQuery) -> int:
    """As LogStore.mention_counts, of one query."""
    values = (*query.log, query.user_id, query.after_seq, MENTIONS_SEARCHED)
    count = 0
    async for page in session.pages(_READ, values, MENTIONS_COUNTED):
        count += sum(bool(active) and sender not in query.except_senders for sender, active in page)
        if count >= MENTIONS_COUNTED:
            return MENTIONS_COUNTED
    return count
