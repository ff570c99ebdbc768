"""The errors of log stores.

    libs.rpc.errors.Unavailable
    ├── StoreUnavailable   the engine does not do it now; one that nobody catches is a clean answer (I10)
    ├── NotOwner           another process owns the log: nothing was done, ask there
    └── Fenced             another process owns the logs now: stop at once, acknowledge nothing
    LogStoreError
    ├── SeqTaken           another event has the seq: what the caller believes of the log is wrong
    └── LogDamaged         a row that was durable is not there

A store that cannot be opened at all raises libs.runtime.errors.CannotStart.
"""

from tertulia.chat.v1 import error_pb2

from libs.log_store.types import LogKey, Seq
from libs.rpc.errors import Unavailable

_RETRY_MS = 500


class StoreUnavailable(Unavailable):
    """The engine does not do it now: it is away, or its disk is full. See LogStore for what that means to an append."""

    def __init__(self, *, writing: bool) -> None:
        super().__init__(
            "the log store does not answer; try again",
            error_pb2.ERROR_REASON_OUTCOME_UNKNOWN if writing else error_pb2.ERROR_REASON_UNAVAILABLE,
            retry_after_ms=_RETRY_MS,
        )


class LogStoreError(Exception):
    """The caller is wrong about a log."""


class SeqTaken(LogStoreError):
    """A row was to be written where another event is. Nothing of the call was written."""

    def __init__(self, log: LogKey, seq: Seq) -> None:
        super().__init__(f"seq {seq} of log {log.log_id.hex()} holds another event")
        self.log = log
        self.seq = seq


class LogDamaged(LogStoreError):
    """A row that was durable is not there: the database lost it, or somebody else wrote to its tables."""

    def __init__(self, log: LogKey, seq: Seq) -> None:
        super().__init__(f"log {log.log_id.hex()} has no event at seq {seq}, below its head")


class Fenced(Unavailable):
    """Another process owns the logs now. Whether the last appends count is its to say."""

    def __init__(self) -> None:
        super().__init__(
            "the log has another owner now; try again",
            error_pb2.ERROR_REASON_OUTCOME_UNKNOWN,
            retry_after_ms=_RETRY_MS,
        )


OWNER = "owner"
"""The metadata of NotOwner on its way to who asked: the address of the owner, empty where it is not known. What has it is answered
by message_store to its clients, and goes no further."""


class NotOwner(Unavailable):
    """The shard of a log is another process's, or about to be. Nothing was done."""

    def __init__(self, shard: int, address: str) -> None:
        super().__init__(
            "the log is with another process; try again",
            error_pb2.ERROR_REASON_UNAVAILABLE,
            metadata={OWNER: address, "shard": str(shard)},
            retry_after_ms=_RETRY_MS,
        )
