"""The table `log_mark`: how far a log may be read without asking its owner, and what a list of channels shows of it.

A mark says nothing above the high-water mark. One that is lost, or old, only makes others read more.
"""

from libs.cassandra import Session, Statement, read
from libs.log_store.types import EMPTY_HEAD, Head, LogKey, Millis, Seq

_MARK = "seq, message_count, policy_version, time_ms, last_message"
_READ = Statement(f"SELECT {_MARK} FROM ks.log_mark WHERE application_id = ? AND log_id = ?")  # noqa: S608
WRITE_MARK = Statement(
    f"INSERT INTO ks.log_mark (application_id, log_id, {_MARK}) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"  # noqa: S608
)


async def read_mark(session: Session, log: LogKey) -> Head:
    """The stored mark: the head that the log once had; EMPTY_HEAD if there is none."""
    rows = await read(session, _READ, (log.application_id, log.log_id))
    if not rows:
        return EMPTY_HEAD
    seq, message_count, policy_version, time_ms, last_message = rows[0]
    return Head(Seq(seq), message_count, policy_version, Millis(time_ms), last_message)  # type: ignore[arg-type] # so are the columns


async def write_mark(session: Session, log: LogKey, mark: Head) -> None:
    """Write a mark at or below the high-water mark, once. Of two marks the one of the higher seq stays.

    Raises:
        CassandraUnavailable: it may have been written.
    """
    values = (log.application_id, log.log_id, mark.seq, mark.message_count, mark.policy_version, mark.time_ms)
    await session.write(WRITE_MARK, [(*values, mark.last_message, mark.seq)])
