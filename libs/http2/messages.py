"""gRPC's messages in the DATA of a call: a byte that says whether it is compressed, four of length, the message."""

from collections import deque

from tertulia.chat.v1 import error_pb2

from libs.rpc.errors import InvalidArgument, ResourceExhausted, TertuliaError

PREFIX_BYTES = 5


class Messages:
    """What came of a call's messages and was not read yet. What holds it bounds how much is put in."""

    __slots__ = ("_complete", "_limit", "_partial", "error")

    def __init__(self, limit_bytes: int) -> None:
        self.error: TertuliaError | None = None
        """Why nothing can be read behind those messages that are complete."""
        self._limit = limit_bytes
        self._complete: deque[bytes] = deque()
        self._partial = bytearray()

    def add(self, data: bytes) -> bool:
        """Take a piece of the stream. True: there is something new to read."""
        if self.error is not None:
            return False
        size = len(data) - PREFIX_BYTES
        if not self._partial and 0 <= size <= self._limit and data[:PREFIX_BYTES] == size.to_bytes(PREFIX_BYTES):
            self._complete.append(data[PREFIX_BYTES:])  # as nearly always: a frame is a message, not compressed
            return True
        self._partial += data
        before = len(self._complete)
        while self._cut_off_one():
            pass
        return len(self._complete) > before or self.error is not None

    def _cut_off_one(self) -> bool:
        if len(self._partial) < PREFIX_BYTES:
            return False
        end = PREFIX_BYTES + int.from_bytes(self._partial[1:PREFIX_BYTES])
        error = self._refusal(self._partial[0], end - PREFIX_BYTES)
        if error is not None:
            self.refuse(error)
        if error is not None or len(self._partial) < end:
            return False
        self._complete.append(bytes(self._partial[PREFIX_BYTES:end]))
        del self._partial[:end]
        return True

    def end(self) -> None:
        """No more will come."""
        if self._partial and self.error is None:
            self.error = _malformed("the stream ended in the middle of a message")

    def refuse(self, error: TertuliaError) -> None:
        """Take no more of the message that is unfinished, nor what follows it."""
        self.error = error
        self._partial.clear()

    @property
    def waiting(self) -> bool:
        """There is a message to take."""
        return bool(self._complete)

    def take(self) -> bytes | None:
        """The next message. None: there is none yet."""
        return self._complete.popleft() if self._complete else None

    def _refusal(self, compressed: int, size: int) -> TertuliaError | None:
        if compressed:  # allowed only where `grpc-encoding` says how, and then we have refused the call already
            return _malformed("a message says that it is compressed, and not how")
        if size > self._limit:
            return ResourceExhausted(
                f"a message of {size} bytes; the largest may have {self._limit}", error_pb2.ERROR_REASON_LIMIT_REACHED
            )
        return None


def _malformed(what: str) -> InvalidArgument:
    return InvalidArgument(what, error_pb2.ERROR_REASON_FRAME_INVALID)
