"""What any store may raise. They are errors of the API, so that one that nobody catches is a clean answer (I10).

Unavailable
└── DirectoryUnavailable
ResourceExhausted
└── DirectoryOverloaded
"""

from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import ResourceExhausted, Unavailable

_RETRY_MS = 500


class DirectoryUnavailable(Unavailable):
    """The engine does not answer. A read did nothing; the outcome of a write is unknown, and repeating it is safe."""

    def __init__(self, *, writing: bool) -> None:
        super().__init__(
            "the directory does not answer; try again",
            error_pb2.ERROR_REASON_OUTCOME_UNKNOWN if writing else error_pb2.ERROR_REASON_UNAVAILABLE,
            retry_after_ms=_RETRY_MS,
        )


class DirectoryOverloaded(ResourceExhausted):
    """Too much is waiting; nothing was done."""

    def __init__(self) -> None:
        super().__init__(
            "the directory has too much to do; try again", error_pb2.ERROR_REASON_OVERLOADED, retry_after_ms=_RETRY_MS
        )
