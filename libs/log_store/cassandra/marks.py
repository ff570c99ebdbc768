"""The table `log_mark`: how far a log may be read without asking its owner, and what a list of channels shows of it.

A mark says nothing above the high-water mark. One that is lost, or old, only makes others read more.
"""

from collections import defaultdict
from collections.abc import Sequence

from libs.cassandra import Session, Statement, Value, read
from libs.log_store.types import EMPTY_HEAD, Head, LogKey, Millis, Seq

_MARK = "seq, message_count, policy_version, time_ms, last_message"
_READ_MANY = Statement(f"SELECT log_id, {_MARK} FROM ks.log_mark WHERE application_id = ? AND log_id IN ?")  # noqa: S608
WRITE_MARK = Statement(
    f"INSERT INTO ks.log_mark (application_id, log_id, {_MARK}) VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"  # noqa: S608
)


async def read_marks(session: Session, logs: Sequence[LogKey]) -> dict[LogKey, Head]:
    """The stored marks: the heads that the logs once had; EMPTY_HEAD where there is none. One request for many costs far less than as
    many."""
    by_application: defaultdict[str, list[bytes]] = defaultdict(list)
    for log in logs:
        by_application[log.application_id].append(log.log_id)
    marks = dict.fromkeys(logs, EMPTY_HEAD)
    for application_id, log_ids in by_application.items():
        for log_id, *mark in await read(session, _READ_MANY, (application_id, tuple(log_ids))):
            marks[LogKey(application_id, log_id)] = _head(*mark)  # type: ignore[arg-type] # a blob
    return marks


def _head(seq: Value, message_count: Value, policy_version: Value, time_ms: Value, last_message: Value) -> Head:
    return Head(Seq(seq), message_count, policy_version, Millis(time_ms), last_message)  # type: ignore[arg-type] # so are the columns


async def write_mark(session: Session, log: LogKey, mark: Head) -> None:
    """Write a mark at or below the high-water mark, once. Of two marks the one of the higher seq stays.

    Raises:
        CassandraUnavailable: it may have been written.
    """
    values = (log.application_id, log.log_id, mark.seq, mark.message_count, mark.policy_version, mark.time_ms)
    await session.write(WRITE_MARK, [(*values, mark.last_message, mark.seq)])
